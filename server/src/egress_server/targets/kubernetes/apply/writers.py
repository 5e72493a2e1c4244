"""Writes single objects, each by the version that was looked at: what somebody else changed meanwhile is never
overwritten unseen."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import OUR_ANNOTATIONS, WRITTEN, ApiKind
from egress_server.targets.kubernetes.api.managed_fields import left_to_others, shared_with
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.last_applied import LastApplied, SavedFields, name_of_object
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, give_back, is_forced
from egress_server.targets.kubernetes.merge.registry import OWNED_FIELDS, home_of

_TRIES = 4


class Writer:
    """Writes through `client`, and tells `cache`. Raises Refusal where the server does not take an object, and
    TransientError CONFLICT where it is not what it was."""

    def __init__(self, client: ApiClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache

    async def put(self, obj: IstioObject) -> None:
        """Makes an object of ours, or makes it so again."""
        kind = self._kind(obj["kind"])
        known = self._cache.get(key_of(obj))
        if known is None:
            await self._create(kind, obj)
        else:
            await self._by_version(kind, known, lambda now: self._replace(kind, now, obj))

    async def delete(self, key: ObjectKey) -> None:
        """Deletes an object of ours; what others have made their own as well is left to them."""
        kind, known = self._kind(key.kind), self._cache.get(key)
        if known is None or not known.ours:
            return
        if shared_with(known.managed):
            await self._leave(kind, key)
        else:
            await self._by_version(kind, known, lambda now: self._delete(kind, now))

    async def _create(self, kind: ApiKind, obj: IstioObject) -> None:
        """Only where there is nothing of the name: an object of others is not to become ours by accident."""
        metadata = {name: value for name, value in obj["metadata"].items() if value}
        try:
            answer = await self._client.create(kind, {**obj, "apiVersion": kind.api_version, "metadata": metadata})
        except ApiError as refusal:
            if refusal.conflict:
                raise TransientError(CONFLICT, f"{name_of_object(key_of(obj))} has just come to be") from refusal
            raise
        self._cache.wrote(kind, answer)

    async def _replace(self, kind: ApiKind, now: CachedObject, obj: IstioObject) -> None:
        wanted = obj["metadata"]
        kept = {name: value for name, value in now.annotations.items() if not name.startswith(OUR_ANNOTATIONS)}
        metadata = {
            **now.metadata,
            "labels": {**now.labels, **wanted["labels"]},
            "annotations": {**kept, **wanted["annotations"]},
        }
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": obj["spec"]}
        self._cache.wrote(kind, await self._client.replace(kind, body))

    async def _delete(self, kind: ApiKind, now: CachedObject) -> None:
        await self._client.delete(kind, now.key.namespace, now.key.name, uid=now.uid, version=now.version)
        self._cache.deleted(now)

    async def _leave(self, kind: ApiKind, key: ObjectKey) -> None:
        """The object less what only we have set in it."""
        if raw := await self._client.find(kind, key.namespace, key.name):
            try:
                self._cache.wrote(kind, await give_back(self._client, kind, raw, left_to_others(raw)))
            except ApiError as refusal:
                if refusal.conflict or refusal.missing:
                    raise _changed(key) from refusal
                raise

    async def _by_version(
        self, kind: ApiKind, known: CachedObject, write: Callable[[CachedObject], Awaitable[None]]
    ) -> None:
        """istiod writes the status of objects, which changes their version and nothing else: that is no reason to begin
        all over."""
        now = known
        for _ in range(_TRIES):
            try:
                return await write(now)
            except ApiError as refusal:
                if not (refusal.conflict or refusal.missing):
                    raise
            fresh = await self._client.find(kind, known.key.namespace, known.key.name)
            if fresh is None or not (now := cached_object(kind.name, fresh)).same_as(known):
                break
        raise _changed(known.key)

    def _kind(self, name: str) -> ApiKind:
        kind = WRITTEN[name]
        return self._cache.served(kind) or kind


def _changed(key: ObjectKey) -> TransientError:
    return TransientError(CONFLICT, f"somebody else has just changed {name_of_object(key)}")


class PartWriter:
    """Of one apply: `state` is what the cluster is to remember, and is kept there before anything is written."""

    def __init__(self, client: ApiClient, cache: Cache, state: LastApplied) -> None:
        self.state = state
        self._client = client
        self._cache = cache
        self._former: Mapping[ObjectKey, SavedFields] = state.held
        self._taken: dict[ObjectKey, Object] = {}

    async def take(self, obj: IstioObject) -> None:
        """Looks at the object that a part goes into, and remembers what has to be put back there some day: what was
        there before us, or what others have written since."""
        key, way = key_of(obj), OWNED_FIELDS[obj["kind"]][0]
        raw = await self._find(key)
        if raw is None:
            raise TransientError(CONFLICT, f"{name_of_object(home_of(key))} has just been deleted")
        was = way.before(cached_object(raw["kind"], raw), obj["spec"], self._former.get(key))
        self._taken[key] = raw
        self.state = self.state.holding(key, SavedFields(resource_of(obj), obj["spec"], was, is_forced(obj)))

    async def write(self, obj: IstioObject) -> None:
        """Puts a part where it goes, if that was taken."""
        key = key_of(obj)
        if raw := self._taken.get(key):
            former = self._former.get(key)
            kind, way = self._kind(key), OWNED_FIELDS[key.kind][0]
            try:
                with _conflict(key):
                    answer = await way.write(self._client, kind, raw, obj, former.spec if former else None)
            except OwnedFieldsRefused as refusal:
                if refusal.memory:
                    held = former or self.state.held[key]
                    self.state = self.state.holding(key, replace(held, was={**held.was, **refusal.memory}))
                raise
            self._cache.wrote(kind, answer)

    async def release(self, key: ObjectKey) -> None:
        """Gives an object back, and forgets it."""
        held = self.state.held[key]
        raw = await self._find(key)
        if raw is not None:
            kind, way = self._kind(key), OWNED_FIELDS[key.kind][0]
            with _conflict(key):
                answer = await way.take_back(self._client, kind, raw, held.spec, held.was)
            self._cache.wrote(kind, answer)
        self.state = self.state.holding(key, None)

    def forget_lost(self) -> None:
        """Of objects that are no more there is nothing to give back."""
        for key in [key for key in self.state.held if self._cache.get(home_of(key)) is None]:
            self.state = self.state.holding(key, None)

    def _kind(self, key: ObjectKey) -> ApiKind:
        kind = OWNED_FIELDS[key.kind][1]
        return self._cache.served(kind) or kind

    async def _find(self, key: ObjectKey) -> Object | None:
        return await self._client.find(self._kind(key), key.namespace, key.name)


@contextmanager
def _conflict(key: ObjectKey) -> Iterator[None]:
    """What was changed, or deleted, since it was looked at is looked at again in the next cycle."""
    try:
        yield
    except ApiError as refusal:
        if refusal.conflict or refusal.missing:
            raise TransientError(CONFLICT, f"{name_of_object(home_of(key))}: {refusal.message}") from refusal
        raise
