"""Who holds which field, by the managedFields of an object."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Object
from egress_server.targets.kubernetes.api.kinds import OUR_ANNOTATIONS

Entry = Mapping[str, Any]


def holders(managed: Iterable[Entry], path: Sequence[str]) -> list[str]:
    """The managers that hold the field at `path`."""
    return [entry.get("manager", "") for entry in managed if _has(entry.get("fieldsV1") or {}, path)]


def last_writer(managed: Iterable[Entry]) -> str:
    """Who last set a field, besides us and whoever writes the status; all whose writes were in that same second,
    which is as exactly as it is recorded."""
    others = [each for each in managed if each.get("manager") != FIELD_MANAGER and each.get("subresource") != "status"]
    last: str = max((each.get("time", "") for each in others), default="")
    return ", ".join(sorted({each.get("manager", "") for each in others if each.get("time", "") == last}))


def without_us(raw: Object) -> Object:
    """The object without a word of us in its managedFields."""
    managed = [entry for entry in raw["metadata"].get("managedFields") or [] if entry.get("manager") != FIELD_MANAGER]
    # An empty list would leave all as it is; one with an empty entry is what empties it.
    return {**raw, "metadata": {**raw["metadata"], "managedFields": managed or [{}]}}


def mentions_us(raw: Object) -> bool:
    """Whether its managedFields have a word of us."""
    return any(entry.get("manager") == FIELD_MANAGER for entry in raw["metadata"].get("managedFields") or [])


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


_SPEC = "f:spec"
_CLIENT_SIDE = "kubectl-client-side-apply"


def shared_with(managed: Iterable[Entry]) -> frozenset[str]:
    """The others that hold any part of its spec."""
    return frozenset(entry["manager"] for entry in _others(managed))


def left_to_others(raw: Object) -> Object:
    """The object with only those fields of the spec that others hold, and without our marks."""
    theirs: set[str] = set()
    for entry in _others(raw["metadata"].get("managedFields") or ()):
        theirs |= {name.removeprefix("f:") for name in entry["fieldsV1"][_SPEC] if name.startswith("f:")}
    metadata = {
        **raw["metadata"],
        "labels": _without(raw["metadata"].get("labels"), MANAGED_BY),
        "annotations": _without(raw["metadata"].get("annotations"), (), OUR_ANNOTATIONS),
    }
    return {**raw, "metadata": metadata, "spec": {name: raw["spec"][name] for name in raw["spec"] if name in theirs}}


def _others(managed: Iterable[Entry]) -> Iterable[Entry]:
    return (
        entry
        for entry in managed
        if entry.get("manager") != FIELD_MANAGER
        and (entry.get("operation") == "Apply" or entry.get("manager") == _CLIENT_SIDE)
        and any(name != "." for name in entry.get("fieldsV1", {}).get(_SPEC, {}))
    )


def _without(names: Mapping[str, Any] | None, gone: Iterable[str], prefix: str = "") -> dict[str, Any]:
    return {
        name: value
        for name, value in (names or {}).items()
        if name not in gone and not (prefix and name.startswith(prefix))
    }
