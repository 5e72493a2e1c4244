"""Applies changes to the cluster: previous values are saved first, then objects are written stage by stage, the witness
last."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of
from egress_server.domain.model.status import NAMESPACE_MISSING, Problem
from egress_server.domain.render import policies
from egress_server.domain.render.virtual_service import resources_in
from egress_server.ports.target import Applied, Witness
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.errors import CONFLICT, REFUSED, ApiError
from egress_server.targets.kubernetes.api.kinds import ANNOTATION_PREFIX
from egress_server.targets.kubernetes.apply.writers import FieldWriter, ObjectWriter
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.interception.templates import restore_templates
from egress_server.targets.kubernetes.last_applied import LastAppliedStore
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, is_fields_object

T = TypeVar("T", IstioObject, ObjectKey)

_APART_SECONDS = 1.0
"""Creation times are in whole seconds."""


class Apply:
    """One apply to one cluster whose root namespace is `root`."""

    def __init__(self, client: ApiClient, cache: Cache, root: str) -> None:
        self._client = client
        self._cache = cache
        self._root = root
        self._writer = ObjectWriter(client, cache)
        self._store = LastAppliedStore(client, cache, root)
        self._fields = FieldWriter(client, cache, self._store.load())
        self._obstacles: dict[str, Problem] = {}
        self._refused: set[ObjectKey] = set()
        self._conflicts: list[str] = []

    async def run(
        self,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None,
    ) -> Applied:
        """See ports.target.Target.apply. Raises ApiError, TransientError, PermanentError."""
        last = self._fields.state.witness
        comparable = witness and last and last != accepted and last.epoch == witness.epoch
        if witness and last and comparable and last.fence > witness.fence:
            raise TransientError(CONFLICT, f"a newer applier (fencing token {last.fence}) has taken over the cluster")
        await self._run_all([obj for obj in upsert if is_fields_object(obj)], self._fields.save_previous, resources_in)
        await self._store.save(self._fields.state)
        for objects in upsert_stages(upsert, self._root):
            await self._write_all(objects)
        for keys in delete_stages(delete):
            await self._run_all(keys, self._remove, self._resources_at)
        if self._conflicts:
            raise TransientError(CONFLICT, "; ".join(self._conflicts[:3]))
        if witness is None and self._obstacles:
            problem = next(iter(self._obstacles.values()))
            raise TransientError(
                problem.reason, f"cleanup incomplete: some managed objects could not be removed: {problem.message}"
            )
        if witness is None:
            await restore_templates(self._client)
        self._fields.forget_deleted()
        await self._store.finish(self._fields.state, witness)
        return Applied(self._obstacles, frozenset(self._refused))

    async def _write_all(self, objects: Sequence[IstioObject]) -> None:
        """Concurrently, except for new entries of one host, which must differ in age."""
        new = [obj for obj in objects if obj["kind"] == "ServiceEntry" and self._cache.get(key_of(obj)) is None]
        first, *later = age_batches(new) or [[]]
        known = [obj for obj in objects if obj not in new] if later else []
        await self._run_all([*known, *first] if later else objects, self._write, resources_in)
        for batch in later:
            await asyncio.sleep(_APART_SECONDS)
            await self._run_all(batch, self._write, resources_in)

    async def _write(self, obj: IstioObject) -> None:
        if obj["kind"] == policies.KIND:
            self._fields.state = self._fields.state.with_deferred(key_of(obj), obj)
        else:
            await (self._fields.write(obj) if is_fields_object(obj) else self._writer.write(obj))

    async def _remove(self, key: ObjectKey) -> None:
        """Deletes a managed object, or releases an unmanaged one."""
        if key in self._fields.state.saved:
            await self._fields.release(key)
        elif key.kind == policies.KIND:
            self._fields.state = self._fields.state.with_deferred(key, None)
        else:
            await self._writer.delete(key)

    def _resources_at(self, key: ObjectKey) -> Iterable[str]:
        """The resources that an object was created for."""
        if saved := self._fields.state.saved.get(key):
            return (saved.resource,)
        known = self._cache.get(key)
        resource = known.annotations.get(f"{ANNOTATION_PREFIX}resource") if known else None
        return (resource,) if resource else ()

    async def _run_all(
        self,
        items: Sequence[T],
        work: Callable[[T], Awaitable[None]],
        resources: Callable[[T], Iterable[str]],
    ) -> None:
        """Concurrently. A problem with one item does not stop the others, unless the server can't be reached."""

        async def one(item: T) -> None:
            try:
                await work(item)
            except ApiError as error:
                self._rejected(item, resources(item), _problem(error))
            except OwnedFieldsRefused as error:
                self._rejected(item, resources(item), Problem(error.reason, error.message))
            except TransientError as error:
                if error.reason != CONFLICT:
                    raise
                self._conflicts.append(error.message)

        try:
            async with asyncio.TaskGroup() as group:
                for item in items:
                    group.create_task(one(item))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def _rejected(self, item: IstioObject | ObjectKey, resources: Iterable[str], problem: Problem) -> None:
        self._refused.add(item if isinstance(item, ObjectKey) else key_of(item))
        for resource in resources:
            self._obstacles.setdefault(resource, problem)


def _problem(error: ApiError) -> Problem:
    return Problem(NAMESPACE_MISSING if error.missing else REFUSED, error.message)


# Services come before the policy that blocks everything else, and go after it is removed; exceptions from a wide
# policy come before it; what is new comes before what it replaces is deleted. So nothing allowed is cut on the way, and
# nothing forbidden gets out.
_NARROW, _WIDE = "narrow", "wide"
_UPSERTS = (
    ("ServiceEntry",),
    ("DestinationRule",),
    ("VirtualService",),
    ("MutatingAdmissionPolicy", "Interception", "InjectorValues", _NARROW),
    ("MutatingAdmissionPolicyBinding", "MeshConfig", _WIDE),
)
_DELETES = (
    ("VirtualService", "MutatingAdmissionPolicyBinding"),
    ("DestinationRule", "MutatingAdmissionPolicy", "Interception", "InjectorValues", "MeshConfig", "Sidecar"),
    ("ServiceEntry",),
)


def upsert_stages(objects: Sequence[IstioObject], root: str) -> list[list[IstioObject]]:
    """What to create or update, stage by stage."""
    named = [(_stage_name(obj, root), obj) for obj in objects]
    return [found for stage in _UPSERTS if (found := [obj for name, obj in named if name in stage])]


def delete_stages(keys: Iterable[ObjectKey]) -> list[list[ObjectKey]]:
    """What to delete, stage by stage."""
    keys = list(keys)
    return [found for stage in _DELETES if (found := [key for key in keys if key.kind in stage])]


def age_batches(created: Sequence[IstioObject]) -> list[list[IstioObject]]:
    """New entries, given oldest first, in batches in which no two are for the same host: of two for one host Istio uses
    the older, by at least a second."""
    batches: list[tuple[set[str], list[IstioObject]]] = []
    for obj in created:
        hosts = set(obj["spec"]["hosts"])
        last = max((number for number, (known, _) in enumerate(batches) if known & hosts), default=-1)
        if last + 1 == len(batches):
            batches.append((set(), []))
        batches[last + 1][0].update(hosts)
        batches[last + 1][1].append(obj)
    return [objects for _, objects in batches]


def _stage_name(obj: IstioObject, root: str) -> str:
    key = key_of(obj)
    if key.kind != "Sidecar":
        return key.kind
    return _WIDE if key.namespace == root and "workloadSelector" not in obj["spec"] else _NARROW
