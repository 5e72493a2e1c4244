"""Conditions on requests, in the form of Istio's HTTPMatchRequest, and how those of a fault and of a route combine."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from egress_server.domain.model.resources import Fault, HeaderMatch, MatchKind, Route, StringMatch

Part = Mapping[str, Any]
_TEXTS = {"uri": "match_uri", "method": "match_method", "authority": "match_authority"}
_NARROWEST_FIRST = {MatchKind.EXACT: 0, MatchKind.REGEX: 1, MatchKind.PREFIX: 2, MatchKind.PRESENT: 3}


def render_conditions(source: Fault | Route) -> dict[str, Any]:
    """What `source` requires of a request itself; empty if every request meets it."""
    conditions: dict[str, Any] = {}
    for name, field in _TEXTS.items():
        if match := getattr(source, field):
            conditions[name] = _rendered(match)
    if source.match_headers:
        conditions["headers"] = {match.name: _rendered(match) for match in source.match_headers}
    return conditions


def combined(fault: Part, route: Part) -> dict[str, Any] | None:
    """What a request meets if it meets both; None if no request does.

    Istio allows one condition on each part of a request. If a fault and a route restrict the same part, both conditions
    must hold, or the fault would send requests where the route never sent them.
    """
    merged = {**route, **fault}
    for name in fault.keys() & route.keys():
        both = _COMBINED.get(name, _equal)(fault[name], route[name])
        if both is None:
            return None
        merged[name] = both
    if "uri" in fault and "uri" not in route:
        merged.pop("ignoreUriCase", None)
    return merged


def _rendered(match: StringMatch | HeaderMatch) -> dict[str, str]:
    """Istio's StringMatch; an empty one only requires that there is a text."""
    return {} if match.kind is MatchKind.PRESENT else {match.kind.value: match.value}


def _equal(fault: Any, route: Any) -> Any:
    return fault if fault == route else None


def _both_labels(fault: Part, route: Part) -> Part | None:
    labels = {**route, **fault}
    return None if any(labels[key] != value for key, value in route.items()) else labels


def _both_texts_by_name(fault: Part, route: Part) -> Part | None:
    """Conditions on headers or query parameters, the route's first."""
    merged = {**route, **fault}
    for name in fault.keys() & route.keys():
        both = _both_texts(fault[name], route[name])
        if both is None:
            return None
        merged[name] = both
    return merged


def _both_texts(fault: Part, route: Part) -> Part | None:
    """The narrower of two conditions if the other one includes it. That can't be decided for a regular expression and a
    condition that is not exact: there the expression is used, and the fault's if both are expressions."""
    ends = sorted((_read(fault), _read(route)), key=lambda match: (_NARROWEST_FIRST[match.kind], -len(match.value)))
    narrow, wide = ends
    if narrow.kind is MatchKind.REGEX:
        return fault if wide.kind is MatchKind.REGEX else _rendered(narrow)
    return _rendered(narrow) if _satisfies(narrow.value, wide) else None


def _read(condition: Part) -> StringMatch:
    kinds = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)
    kind = next((kind for kind in kinds if kind.value in condition), MatchKind.PRESENT)
    return StringMatch(kind, condition.get(kind.value, ""))


def _satisfies(value: str, wide: StringMatch) -> bool:
    """Whether a text with this value, or with this prefix, satisfies `wide`."""
    if wide.kind is MatchKind.EXACT:
        return value == wide.value
    if wide.kind is MatchKind.PREFIX:
        return value.startswith(wide.value)
    return wide.kind is MatchKind.PRESENT or re.fullmatch(wide.value, value) is not None


_COMBINED: dict[str, Callable[[Any, Any], Any]] = {
    "uri": _both_texts,
    "method": _both_texts,
    "authority": _both_texts,
    "scheme": _both_texts,
    "headers": _both_texts_by_name,
    "queryParams": _both_texts_by_name,
    "sourceLabels": _both_labels,
}
