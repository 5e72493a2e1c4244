"""What a cluster itself remembers of us: the witness, saved previous values, deferred interceptions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP, STATE_CONFIG_MAP
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import CachedObject


@dataclass(frozen=True, slots=True)
class SavedFields:
    """What we have put into an object that is not ours, on behalf of `resource`: `spec` is our part of it, and `was`
    what has to be put back. `forced` says that somebody allowed us to overrule others there."""

    resource: str
    spec: Mapping[str, Any]
    was: Any
    forced: bool = False


@dataclass(frozen=True, slots=True)
class LastApplied:
    """All of it. A cluster that was never driven has none. `deferred` are the rendered Interceptions that go into pod
    templates with a restart (templates.py)."""

    witness: Witness | None = None
    held: Mapping[ObjectKey, SavedFields] = field(default_factory=dict)
    deferred: Mapping[ObjectKey, IstioObject] = field(default_factory=dict)

    def holding(self, key: ObjectKey, held: SavedFields | None) -> "LastApplied":
        """With another memory of one object; None forgets it."""
        others = {known: each for known, each in self.held.items() if known != key}
        return replace(self, held=others if held is None else {**others, key: held})

    def deferring(self, key: ObjectKey, obj: IstioObject | None) -> "LastApplied":
        """With another Interception that waits; None forgets it."""
        others = {known: each for known, each in self.deferred.items() if known != key}
        return replace(self, deferred=others if obj is None else {**others, key: obj})


def state_key(root: str) -> ObjectKey:
    """The ConfigMap."""
    return ObjectKey(CONFIG_MAP.name, root, STATE_CONFIG_MAP)


def name_of_object(key: ObjectKey) -> str:
    """As people write it, and as it is adopted: KIND/NAMESPACE/NAME."""
    return f"{key.kind}/{key.namespace}/{key.name}"


def key_of_object(name: str) -> ObjectKey:
    """The object of that name."""
    kind, namespace, rest = name.split("/", 2)
    return ObjectKey(kind, namespace, rest)


def read_state(found: CachedObject | None) -> LastApplied:
    """What the ConfigMap says. Raises PermanentError STATE_UNREADABLE."""
    if found is None:
        return LastApplied()
    try:
        data = found.content
        witness = Witness(**orjson.loads(data["witness"])) if "witness" in data else None
        held = orjson.loads(data.get("previous", "{}"))
        deferred = {key_of(obj): obj for obj in orjson.loads(data.get("deferred", "[]"))}
        return LastApplied(witness, {key_of_object(name): SavedFields(**each) for name, each in held.items()}, deferred)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise PermanentError("STATE_UNREADABLE", f"{name_of_object(found.key)}: {error}") from error


def state_object(root: str, state: LastApplied) -> Object:
    """The ConfigMap that says `state`."""
    held = {name_of_object(key): asdict(each) for key, each in sorted(state.held.items())}
    data = {"previous": _text(held)} if held else {}
    if state.deferred:
        data["deferred"] = _text([obj for _, obj in sorted(state.deferred.items())])
    if state.witness:
        data["witness"] = _text(asdict(state.witness))
    return {
        "apiVersion": "v1",
        "kind": CONFIG_MAP.name,
        "metadata": {"name": STATE_CONFIG_MAP, "namespace": root, "labels": dict(MANAGED_BY)},
        "data": data,
    }


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class LastAppliedStore:
    """The state of the cluster whose root namespace is `root`."""

    def __init__(self, client: ApiClient, cache: Cache, root: str) -> None:
        self._client = client
        self._cache = cache
        self._root = root
        self._key = state_key(root)

    def load(self) -> LastApplied:
        """As the cluster has it. Raises PermanentError STATE_UNREADABLE."""
        return read_state(self._cache.get(self._key))

    async def save(self, state: LastApplied) -> None:
        """Keeps it, where it is another one. Raises TransientError CONFLICT where somebody else was faster."""
        known = self._cache.get(self._key)
        obj = state_object(self._root, state)
        if known is not None and known.content == obj["data"] and known.ours:
            return
        if known is None and state == LastApplied():
            return
        try:
            if known is None:
                answer = await self._client.create(CONFIG_MAP, obj)
            else:
                labels = {**known.labels, **MANAGED_BY}
                metadata = {**known.metadata, "labels": labels}
                answer = await self._client.replace(CONFIG_MAP, {**obj, "metadata": metadata})
        except ApiError as refusal:
            if refusal.conflict or (refusal.missing and known is not None):
                raise TransientError(
                    CONFLICT, f"somebody else has just written {name_of_object(self._key)}"
                ) from refusal
            raise
        self._cache.wrote(CONFIG_MAP, answer)

    async def leave(self, state: LastApplied, witness: Witness | None) -> None:
        """Keeps it with the witness; without one nothing of it stays."""
        if witness is not None:
            await self.save(replace(state, witness=witness))
        elif known := self._cache.get(self._key):
            await self._client.delete(CONFIG_MAP, known.key.namespace, known.key.name, uid=known.uid)
            self._cache.deleted(known)
