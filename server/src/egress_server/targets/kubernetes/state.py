"""What a cluster itself remembers of us: the witness, what was there before we wrote into what is not ours, and what
waits for somebody to have a workload restarted.

All is in one ConfigMap in the root namespace. An earlier value is kept there before the object is touched, so that it
can be put back by whoever comes later, though everything else of ours be lost.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from egress_server.domain.errors import PermanentError
from egress_server.domain.render.objects import MANAGED_BY, IstioObject, ObjectKey, key_of
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.api.client import Object
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.following.seen import Seen

NAME = "egress-state"


@dataclass(frozen=True, slots=True)
class Held:
    """What we have put into an object that is not ours, on behalf of `resource`: `spec` is our part of it, and `was`
    what has to be put back. `forced` says that somebody allowed us to overrule others there."""

    resource: str
    spec: Mapping[str, Any]
    was: Any
    forced: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All of it. A cluster that was never driven has none. `deferred` are the rendered Interceptions that go into pod
    templates with a restart (templates.py)."""

    witness: Witness | None = None
    held: Mapping[ObjectKey, Held] = field(default_factory=dict)
    deferred: Mapping[ObjectKey, IstioObject] = field(default_factory=dict)

    def holding(self, key: ObjectKey, held: Held | None) -> "State":
        """With another memory of one object; None forgets it."""
        others = {known: each for known, each in self.held.items() if known != key}
        return replace(self, held=others if held is None else {**others, key: held})

    def deferring(self, key: ObjectKey, obj: IstioObject | None) -> "State":
        """With another Interception that waits; None forgets it."""
        others = {known: each for known, each in self.deferred.items() if known != key}
        return replace(self, deferred=others if obj is None else {**others, key: obj})


def state_key(root: str) -> ObjectKey:
    """The ConfigMap."""
    return ObjectKey(CONFIG_MAP.name, root, NAME)


def name_of_object(key: ObjectKey) -> str:
    """As people write it, and as it is adopted: KIND/NAMESPACE/NAME."""
    return f"{key.kind}/{key.namespace}/{key.name}"


def key_of_object(name: str) -> ObjectKey:
    """The object of that name."""
    kind, namespace, rest = name.split("/", 2)
    return ObjectKey(kind, namespace, rest)


def read_state(found: Seen | None) -> State:
    """What the ConfigMap says. Raises PermanentError STATE_UNREADABLE."""
    if found is None:
        return State()
    try:
        data = found.content
        witness = Witness(**orjson.loads(data["witness"])) if "witness" in data else None
        held = orjson.loads(data.get("previous", "{}"))
        deferred = {key_of(obj): obj for obj in orjson.loads(data.get("deferred", "[]"))}
        return State(witness, {key_of_object(name): Held(**each) for name, each in held.items()}, deferred)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise PermanentError("STATE_UNREADABLE", f"{name_of_object(found.key)}: {error}") from error


def state_object(root: str, state: State) -> Object:
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
        "metadata": {"name": NAME, "namespace": root, "labels": dict(MANAGED_BY)},
        "data": data,
    }


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
