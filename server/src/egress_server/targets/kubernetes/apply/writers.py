"""Writes single objects, each at the version that was read: a concurrent change by another client is never
overwritten."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import ANNOTATION_PREFIX, MANAGED_KINDS, ApiKind
from egress_server.targets.kubernetes.api.managed_fields import co_owners, without_our_fields
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.last_applied import LastApplied, SavedFields, object_name
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, is_forced, release_object
from egress_server.targets.kubernetes.merge.registry import OWNED_FIELDS, containing_object

_ATTEMPTS = 4


class ObjectWriter:
    """Writes managed objects through `client`, and updates `cache`. Raises ApiError if the server rejects an object,
    and TransientError CONFLICT if another client has changed it."""

    def __init__(self, client: ApiClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache

    async def write(self, obj: IstioObject) -> None:
        """Creates or updates a managed object. An unmanaged one that is new since the plan is not touched."""
        kind = self._kind(obj["kind"])
        known = self._cache.get(key_of(obj))
        if known is None:
            await self._create(kind, obj)
        elif not known.managed:
            raise _created(key_of(obj))
        else:
            await self._retry_on_status_change(kind, known, lambda now: self._replace(kind, now, obj))

    async def delete(self, key: ObjectKey) -> None:
        """Deletes a managed object. If other managers apply it as well, it is left to them."""
        kind, known = self._kind(key.kind), self._cache.get(key)
        if known is None or not known.managed:
            return
        if co_owners(known.managed_fields):
            await self._release(kind, key)
        else:
            await self._retry_on_status_change(kind, known, lambda now: self._delete(kind, now))

    async def _create(self, kind: ApiKind, obj: IstioObject) -> None:
        """Only creates: an unmanaged object of this name must not become managed by accident."""
        metadata = {name: value for name, value in obj["metadata"].items() if value}
        try:
            written = await self._client.create(kind, {**obj, "apiVersion": kind.api_version, "metadata": metadata})
        except ApiError as error:
            if error.conflict:
                raise _created(key_of(obj)) from error
            raise
        self._cache.record_write(kind, written)

    async def _replace(self, kind: ApiKind, now: CachedObject, obj: IstioObject) -> None:
        desired = obj["metadata"]
        kept = {name: value for name, value in now.annotations.items() if not name.startswith(ANNOTATION_PREFIX)}
        metadata = {
            **now.metadata,
            "labels": {**now.labels, **desired["labels"]},
            "annotations": {**kept, **desired["annotations"]},
        }
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": obj["spec"]}
        self._cache.record_write(kind, await self._client.replace(kind, body))

    async def _delete(self, kind: ApiKind, now: CachedObject) -> None:
        await self._client.delete(kind, now.key.namespace, now.key.name, uid=now.uid, version=now.version)
        self._cache.record_delete(now)

    async def _release(self, kind: ApiKind, key: ObjectKey) -> None:
        """Removes from the object what only we have set."""
        if raw := await self._client.find(kind, key.namespace, key.name):
            try:
                self._cache.record_write(kind, await release_object(self._client, kind, raw, without_our_fields(raw)))
            except ApiError as error:
                if error.conflict or error.missing:
                    raise _changed(key) from error
                raise

    async def _retry_on_status_change(
        self, kind: ApiKind, known: CachedObject, write: Callable[[CachedObject], Awaitable[None]]
    ) -> None:
        """istiod writes the status of objects, which changes only their version: that does not make us start over."""
        now = known
        for _ in range(_ATTEMPTS):
            try:
                return await write(now)
            except ApiError as error:
                if not (error.conflict or error.missing):
                    raise
            fresh = await self._client.find(kind, known.key.namespace, known.key.name)
            if fresh is None or not (now := cached_object(kind.name, fresh)).content_equals(known):
                break
        raise _changed(known.key)

    def _kind(self, name: str) -> ApiKind:
        kind = MANAGED_KINDS[name]
        return self._cache.served(kind) or kind


def _created(key: ObjectKey) -> TransientError:
    return TransientError(CONFLICT, f"conflict: {object_name(key)} has just been created by another client")


def _changed(key: ObjectKey) -> TransientError:
    return TransientError(CONFLICT, f"conflict: {object_name(key)} has just been modified by another client")


class FieldWriter:
    """Writes owned fields into unmanaged objects during one apply. `state` is the record to save on the cluster before
    anything is written."""

    def __init__(self, client: ApiClient, cache: Cache, state: LastApplied) -> None:
        self.state = state
        self._client = client
        self._cache = cache
        self._saved_before: Mapping[ObjectKey, SavedFields] = state.saved
        self._read: dict[ObjectKey, Object] = {}

    async def save_previous(self, obj: IstioObject) -> None:
        """Reads the containing object and adds to `state` what has to be restored later: what was there before us, or
        what others have written since."""
        key, fields = key_of(obj), OWNED_FIELDS[obj["kind"]][0]
        raw = await self._find(key)
        if raw is None:
            raise TransientError(CONFLICT, f"conflict: {object_name(containing_object(key))} has just been deleted")
        previous = fields.previous(cached_object(raw["kind"], raw), obj["spec"], self._saved_before.get(key))
        self._read[key] = raw
        self.state = self.state.with_saved(key, SavedFields(resource_of(obj), obj["spec"], previous, is_forced(obj)))

    async def write(self, obj: IstioObject) -> None:
        """Writes the fields, if their previous value was saved."""
        key = key_of(obj)
        if raw := self._read.get(key):
            former = self._saved_before.get(key)
            kind, fields = self._kind(key), OWNED_FIELDS[key.kind][0]
            try:
                with _conflict(key):
                    written = await fields.write(self._client, kind, raw, obj, former.spec if former else None)
            except OwnedFieldsRefused as error:
                if error.to_save:
                    saved = former or self.state.saved[key]
                    self.state = self.state.with_saved(
                        key, replace(saved, previous={**saved.previous, **error.to_save})
                    )
                raise
            self._cache.record_write(kind, written)

    async def release(self, key: ObjectKey) -> None:
        """Restores an object and removes it from `state`."""
        saved = self.state.saved[key]
        raw = await self._find(key)
        if raw is not None:
            kind, fields = self._kind(key), OWNED_FIELDS[key.kind][0]
            with _conflict(key):
                written = await fields.restore(self._client, kind, raw, saved.spec, saved.previous)
            self._cache.record_write(kind, written)
        self.state = self.state.with_saved(key, None)

    def forget_deleted(self) -> None:
        """Objects that no longer exist need not be restored."""
        for key in [key for key in self.state.saved if self._cache.get(containing_object(key)) is None]:
            self.state = self.state.with_saved(key, None)

    def _kind(self, key: ObjectKey) -> ApiKind:
        kind = OWNED_FIELDS[key.kind][1]
        return self._cache.served(kind) or kind

    async def _find(self, key: ObjectKey) -> Object | None:
        return await self._client.find(self._kind(key), key.namespace, key.name)


@contextmanager
def _conflict(key: ObjectKey) -> Iterator[None]:
    """An object that was changed or deleted since it was read is read again by the next reconcile."""
    try:
        yield
    except ApiError as error:
        if error.conflict or error.missing:
            raise TransientError(
                CONFLICT, f"conflict: {object_name(containing_object(key))}: {error.message}"
            ) from error
        raise
