"""Field ownership, from the managedFields of an object: who manages what, and what remains if we let go."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Object
from egress_server.targets.kubernetes.api.kinds import ANNOTATION_PREFIX

Entry = Mapping[str, Any]


def managers_of(managed: Iterable[Entry], path: Sequence[str]) -> list[str]:
    """The managers of the field at `path`."""
    return [entry.get("manager", "") for entry in managed if _has(entry.get("fieldsV1") or {}, path)]


def last_writer(managed: Iterable[Entry]) -> str:
    """Who last changed a field, other than us and whoever writes the status; all of them if several wrote within the
    same second, which is the resolution of the timestamps."""
    others = [each for each in managed if each.get("manager") != FIELD_MANAGER and each.get("subresource") != "status"]
    last: str = max((each.get("time", "") for each in others), default="")
    return ", ".join(sorted({each.get("manager", "") for each in others if each.get("time", "") == last}))


def without_our_entries(raw: Object) -> Object:
    """The object without our entries in its managedFields."""
    managed = [entry for entry in raw["metadata"].get("managedFields") or [] if entry.get("manager") != FIELD_MANAGER]
    # An empty list changes nothing; a list with one empty entry clears it.
    return {**raw, "metadata": {**raw["metadata"], "managedFields": managed or [{}]}}


def has_our_entries(raw: Object) -> bool:
    """Whether we manage any field of it."""
    return any(entry.get("manager") == FIELD_MANAGER for entry in raw["metadata"].get("managedFields") or [])


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


_SPEC = "f:spec"
_CLIENT_SIDE = "kubectl-client-side-apply"


def co_owners(managed: Iterable[Entry]) -> frozenset[str]:
    """The other managers that apply any part of the spec. Manual edits don't count: they are lost when the object is
    deleted."""
    return frozenset(entry["manager"] for entry in _co_owning(managed))


def without_our_fields(raw: Object) -> Object:
    """The object with only those fields of the spec that others apply, and without our labels and annotations."""
    theirs: set[str] = set()
    for entry in _co_owning(raw["metadata"].get("managedFields") or ()):
        theirs |= {name.removeprefix("f:") for name in entry["fieldsV1"][_SPEC] if name.startswith("f:")}
    metadata = {
        **raw["metadata"],
        "labels": _without(raw["metadata"].get("labels"), MANAGED_BY),
        "annotations": _without(raw["metadata"].get("annotations"), (), ANNOTATION_PREFIX),
    }
    return {**raw, "metadata": metadata, "spec": {name: raw["spec"][name] for name in raw["spec"] if name in theirs}}


def _co_owning(managed: Iterable[Entry]) -> Iterable[Entry]:
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
