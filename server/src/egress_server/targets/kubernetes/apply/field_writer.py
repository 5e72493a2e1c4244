"""Writes our parts of objects that are not ours, and gives these objects back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import cached_object
from egress_server.targets.kubernetes.last_applied import LastApplied, SavedFields, name_of_object
from egress_server.targets.kubernetes.merge.kinds import OWNED_FIELDS, home_of
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, is_forced


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
