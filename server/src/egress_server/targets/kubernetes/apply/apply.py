"""Makes a change on the cluster: earlier values first, then stage by stage, the witness last."""

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
from egress_server.targets.kubernetes.api.kinds import OUR_ANNOTATIONS
from egress_server.targets.kubernetes.apply.writers import PartWriter, Writer
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.interception.templates import give_back_templates
from egress_server.targets.kubernetes.last_applied import LastAppliedStore
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, is_fields_object

T = TypeVar("T")

_APART_SECONDS = 1.0
"""Creation times have seconds only."""


class Apply:
    """One apply to one cluster whose root namespace is `root`."""

    def __init__(self, client: ApiClient, cache: Cache, root: str) -> None:
        self._client = client
        self._cache = cache
        self._root = root
        self._writer = Writer(client, cache)
        self._store = LastAppliedStore(client, cache, root)
        self._parts = PartWriter(client, cache, self._store.load())
        self._obstacles: dict[str, Problem] = {}
        self._conflicts: list[str] = []

    async def run(self, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None) -> Applied:
        """See ports.target.Target.apply. Raises Refusal, TransientError, PermanentError."""
        last = self._parts.state.witness
        if witness and last and last.epoch == witness.epoch and last.fence > witness.fence:
            raise TransientError(CONFLICT, f"a younger applier, of fence {last.fence}, has driven the cluster")
        await self._each([obj for obj in upsert if is_fields_object(obj)], self._parts.take, resources_in)
        await self._store.save(self._parts.state)
        for objects in upsert_stages(upsert, self._root):
            await self._put(objects)
        for keys in delete_stages(delete):
            await self._each(keys, self._remove, self._resources_at)
        if self._conflicts:
            raise TransientError(CONFLICT, "; ".join(self._conflicts[:3]))
        if witness is None and self._obstacles:
            problem = next(iter(self._obstacles.values()))
            raise TransientError(problem.reason, f"not all that is ours could be taken away: {problem.message}")
        if witness is None:
            await give_back_templates(self._client)
        self._parts.forget_lost()
        await self._store.leave(self._parts.state, witness)
        return Applied(self._obstacles)

    async def _put(self, objects: Sequence[IstioObject]) -> None:
        """All at once, except for new entries of one host, which must not be of one age."""
        new = [obj for obj in objects if obj["kind"] == "ServiceEntry" and self._cache.get(key_of(obj)) is None]
        first, *later = waves(new) or [[]]
        known = [obj for obj in objects if obj not in new] if later else []
        await self._each([*known, *first] if later else objects, self._put_one, resources_in)
        for wave in later:
            await asyncio.sleep(_APART_SECONDS)
            await self._each(wave, self._put_one, resources_in)

    async def _put_one(self, obj: IstioObject) -> None:
        if obj["kind"] == policies.KIND:
            self._parts.state = self._parts.state.deferring(key_of(obj), obj)
        else:
            await (self._parts.write(obj) if is_fields_object(obj) else self._writer.put(obj))

    async def _remove(self, key: ObjectKey) -> None:
        """An object of ours is deleted, and one of others given back."""
        if key in self._parts.state.held:
            await self._parts.release(key)
        elif key.kind == policies.KIND:
            self._parts.state = self._parts.state.deferring(key, None)
        else:
            await self._writer.delete(key)

    def _resources_at(self, key: ObjectKey) -> Iterable[str]:
        """The resources that an object was made for."""
        if held := self._parts.state.held.get(key):
            return (held.resource,)
        known = self._cache.get(key)
        resource = known.annotations.get(f"{OUR_ANNOTATIONS}resource") if known else None
        return (resource,) if resource else ()

    async def _each(
        self,
        items: Sequence[T],
        work: Callable[[T], Awaitable[None]],
        resources: Callable[[T], Iterable[str]],
    ) -> None:
        """All at once; what one of them meets does not keep the others, unless the server is away."""

        async def one(item: T) -> None:
            try:
                await work(item)
            except ApiError as refusal:
                self._refused(resources(item), _problem(refusal))
            except OwnedFieldsRefused as refusal:
                self._refused(resources(item), Problem(refusal.reason, refusal.message))
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

    def _refused(self, resources: Iterable[str], problem: Problem) -> None:
        for resource in resources:
            self._obstacles.setdefault(resource, problem)


def _problem(refusal: ApiError) -> Problem:
    return Problem(NAMESPACE_MISSING if refusal.missing else REFUSED, refusal.message)


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
    """What is to be made or changed, stage by stage."""
    sorts = [(_sort(obj, root), obj) for obj in objects]
    return [found for stage in _UPSERTS if (found := [obj for sort, obj in sorts if sort in stage])]


def delete_stages(keys: Iterable[ObjectKey]) -> list[list[ObjectKey]]:
    """What is to go, stage by stage."""
    going = list(keys)
    return [found for stage in _DELETES if (found := [key for key in going if key.kind in stage])]


def waves(created: Sequence[IstioObject]) -> list[list[IstioObject]]:
    """New entries, which come oldest first, so that no two of a wave are for one host: the older by a second is the one
    that Istio heeds."""
    made: list[tuple[set[str], list[IstioObject]]] = []
    for obj in created:
        hosts = set(obj["spec"]["hosts"])
        last = max((number for number, (known, _) in enumerate(made) if known & hosts), default=-1)
        if last + 1 == len(made):
            made.append((set(), []))
        made[last + 1][0].update(hosts)
        made[last + 1][1].append(obj)
    return [objects for _, objects in made]


def _sort(obj: IstioObject, root: str) -> str:
    key = key_of(obj)
    if key.kind != "Sidecar":
        return key.kind
    return _WIDE if key.namespace == root and "workloadSelector" not in obj["spec"] else _NARROW
