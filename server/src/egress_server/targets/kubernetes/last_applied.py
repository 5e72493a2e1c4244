"""Our record on the cluster: the witness, the previous values of fields we own, and interceptions that are deferred."""

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

_STORED_AS = {"previous": "was"}
"""JSON keys that differ from the attribute of SavedFields: clusters have records from before it was renamed."""
_ATTRIBUTES = {key: name for name, key in _STORED_AS.items()}


@dataclass(frozen=True, slots=True)
class SavedFields:
    """What we wrote into an unmanaged object for `resource`: `spec` is the fields, `previous` is what has to be
    restored. `forced` says that the object was adopted, so that other managers' values are overruled."""

    resource: str
    spec: Mapping[str, Any]
    previous: Any
    forced: bool = False


@dataclass(frozen=True, slots=True)
class LastApplied:
    """The whole record; empty on a cluster that was never managed. `saved` is by the key of the fields object,
    `deferred` are the rendered Interceptions that go into pod templates with the next restart (see templates.py)."""

    witness: Witness | None = None
    saved: Mapping[ObjectKey, SavedFields] = field(default_factory=dict)
    deferred: Mapping[ObjectKey, IstioObject] = field(default_factory=dict)

    def with_saved(self, key: ObjectKey, saved: SavedFields | None) -> "LastApplied":
        """With these saved fields of one object; None removes them."""
        others = {known: each for known, each in self.saved.items() if known != key}
        return replace(self, saved=others if saved is None else {**others, key: saved})

    def with_deferred(self, key: ObjectKey, obj: IstioObject | None) -> "LastApplied":
        """With this deferred Interception; None removes it."""
        others = {known: each for known, each in self.deferred.items() if known != key}
        return replace(self, deferred=others if obj is None else {**others, key: obj})


def last_applied_key(root: str) -> ObjectKey:
    """The ConfigMap of the record."""
    return ObjectKey(CONFIG_MAP.name, root, STATE_CONFIG_MAP)


def object_name(key: ObjectKey) -> str:
    """KIND/NAMESPACE/NAME, as in messages and in `egressctl cluster adopt`."""
    return f"{key.kind}/{key.namespace}/{key.name}"


def object_key(name: str) -> ObjectKey:
    """The key of the object with that name."""
    kind, namespace, rest = name.split("/", 2)
    return ObjectKey(kind, namespace, rest)


def read_last_applied(found: CachedObject | None) -> LastApplied:
    """The record in the ConfigMap. Raises PermanentError STATE_UNREADABLE."""
    if found is None:
        return LastApplied()
    try:
        data = found.content
        witness = Witness(**orjson.loads(data["witness"])) if "witness" in data else None
        saved = orjson.loads(data.get("previous", "{}"))
        deferred = {key_of(obj): obj for obj in orjson.loads(data.get("deferred", "[]"))}
        return LastApplied(witness, {object_key(name): _saved_fields(each) for name, each in saved.items()}, deferred)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise PermanentError("STATE_UNREADABLE", f"{object_name(found.key)}: {error}") from error


def last_applied_object(root: str, state: LastApplied) -> Object:
    """The ConfigMap that records `state`."""
    data = {}
    if state.saved:
        data["previous"] = _json({object_name(key): _stored(each) for key, each in sorted(state.saved.items())})
    if state.deferred:
        data["deferred"] = _json([obj for _, obj in sorted(state.deferred.items())])
    if state.witness:
        data["witness"] = _json(asdict(state.witness))
    return {
        "apiVersion": "v1",
        "kind": CONFIG_MAP.name,
        "metadata": {"name": STATE_CONFIG_MAP, "namespace": root, "labels": dict(MANAGED_BY)},
        "data": data,
    }


def _saved_fields(stored: Mapping[str, Any]) -> SavedFields:
    return SavedFields(**{_ATTRIBUTES.get(key, key): value for key, value in stored.items()})


def _stored(saved: SavedFields) -> dict[str, Any]:
    return {_STORED_AS.get(name, name): value for name, value in asdict(saved).items()}


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class LastAppliedStore:
    """Reads and writes the record on the cluster whose root namespace is `root`."""

    def __init__(self, client: ApiClient, cache: Cache, root: str) -> None:
        self._client = client
        self._cache = cache
        self._root = root
        self._key = last_applied_key(root)

    def load(self) -> LastApplied:
        """The record as cached. Raises PermanentError STATE_UNREADABLE."""
        return read_last_applied(self._cache.get(self._key))

    async def save(self, state: LastApplied) -> None:
        """Writes the record if it differs. Raises TransientError CONFLICT if another client has just written it."""
        known = self._cache.get(self._key)
        obj = last_applied_object(self._root, state)
        if known is not None and known.content == obj["data"] and known.managed:
            return
        if known is None and state == LastApplied():
            return
        try:
            if known is None:
                written = await self._client.create(CONFIG_MAP, obj)
            else:
                metadata = {**known.metadata, "labels": {**known.labels, **MANAGED_BY}}
                written = await self._client.replace(CONFIG_MAP, {**obj, "metadata": metadata})
        except ApiError as error:
            if error.conflict or (error.missing and known is not None):
                name = object_name(self._key)
                raise TransientError(CONFLICT, f"conflict: another client has just modified {name}") from error
            raise
        self._cache.record_write(CONFIG_MAP, written)

    async def finish(self, state: LastApplied, witness: Witness | None) -> None:
        """Writes the record with this witness; None deletes the record."""
        if witness is not None:
            await self.save(replace(state, witness=witness))
        elif known := self._cache.get(self._key):
            await self._client.delete(CONFIG_MAP, known.key.namespace, known.key.name, uid=known.uid)
            self._cache.record_delete(known)
