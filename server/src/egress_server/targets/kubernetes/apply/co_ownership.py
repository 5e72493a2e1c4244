"""An object of ours that others apply as well: when we go it is theirs, as far as they made it so. An edit by hand is
none of that; it goes with the object."""

from collections.abc import Iterable, Mapping
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Object
from egress_server.targets.kubernetes.api.managed_fields import Entry
from egress_server.targets.kubernetes.informer.objects import OUR_ANNOTATIONS

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
