"""Who holds which field, by the managedFields of an object."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Object

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
