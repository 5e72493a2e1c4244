"""Conditions on requests, in the form of Istio's HTTPMatchRequest, and how those of a fault and of a route combine.

Istio allows one condition on each part of a request. If one of two includes the other, the narrower one is enough. A
regular expression can't be compared with a prefix or with another expression: there the second condition is on a header
with the same content. Envoy has the method, the authority and the path as headers too, and names of headers have no
case, while the keys of Istio's map do.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from egress_server.domain.istio.regex import matches_regex
from egress_server.domain.model.resources import Fault, HeaderMatch, MatchKind, Route, StringMatch

Part = Mapping[str, Any]
Conditions = dict[str, Any]

_TEXTS = {"uri": "match_uri", "method": "match_method", "authority": "match_authority"}
_PSEUDO_HEADERS = {"method": ":method", "authority": ":authority"}
_PATH = ":path"
_IGNORE_CASE = "ignoreUriCase"
_NARROWEST_FIRST = {MatchKind.EXACT: 0, MatchKind.REGEX: 1, MatchKind.PREFIX: 2, MatchKind.PRESENT: 3}


class NoCombinationError(ValueError):
    """Istio's HTTPMatchRequest can't express that the conditions of a fault and of a route both hold."""


def render_conditions(source: Fault | Route) -> Conditions:
    """What `source` requires of a request itself; empty if every request meets it."""
    conditions: Conditions = {}
    for name, field in _TEXTS.items():
        if match := getattr(source, field):
            conditions[name] = _rendered(match)
    if source.match_headers:
        conditions["headers"] = {match.name: _rendered(match) for match in source.match_headers}
    return conditions


def combined(fault: Part, route: Part) -> Conditions | None:
    """Exactly those requests that meet both; None if no request does. Only the route may ignore the case of paths.
    Raises NoCombinationError if Istio can't express it."""
    merged: Conditions = {**route, **fault}
    if "headers" in merged:
        merged["headers"] = {**route.get("headers", {}), **fault.get("headers", {})}
    if "uri" in fault:
        merged.pop(_IGNORE_CASE, None)
    for name in sorted(fault.keys() & route.keys()):
        if not _combine(name, fault, route, merged):
            return None
    return merged


def _combine(name: str, fault: Part, route: Part, merged: Conditions) -> bool:
    """Replaces a part of the request that both restrict; False if no request meets both."""
    if name == "headers":
        return all(
            _combine_texts(merged[name], header, header, fault[name], route[name], merged)
            for header in sorted(fault[name].keys() & route[name].keys())
        )
    if name in _PSEUDO_HEADERS:
        return _combine_texts(merged, name, _PSEUDO_HEADERS[name], fault, route, merged)
    if name == "uri":
        return _combine_paths(_read(fault[name]), _read(route[name]), merged, fold=bool(route.get(_IGNORE_CASE)))
    if name == "sourceLabels":
        merged[name] = {**route[name], **fault[name]}
        return bool(merged[name].items() >= route[name].items())
    return bool(fault[name] == route[name])


def _combine_texts(into: Conditions, key: str, header: str, fault: Part, route: Part, merged: Conditions) -> bool:
    both = _both(_read(fault[key]), _read(route[key]))
    if both:
        into[key] = _rendered(both[0])
        _add_headers(header, [_rendered(match) for match in both[1:]], merged)
    return bool(both)


def _combine_paths(fault: StringMatch, route: StringMatch, merged: Conditions, *, fold: bool) -> bool:
    """`fold`: the route ignores case, which Istio does not do for regular expressions."""
    fold = fold and route.kind is not MatchKind.REGEX
    if fold and fault.kind is not MatchKind.REGEX:
        both = _both(_lower(fault), _lower(route))
        if both and both[0] != _lower(fault):
            # The route's is narrower: the fault's only adds the case.
            merged |= {"uri": _rendered(route), _IGNORE_CASE: True}
            _add_headers(_PATH, [_of_whole_path(fault)], merged)
        return bool(both)
    both = (fault, route) if fold else _both(fault, route)
    if both:
        expressions = [match for match in both if match.kind is MatchKind.REGEX]
        if len(expressions) > 1:
            raise NoCombinationError("Istio can't express that a path satisfies two regular expressions")
        in_path = next(iter(expressions), both[0])
        merged["uri"] = _rendered(in_path)
        _add_headers(_PATH, [_of_whole_path(match, fold=fold) for match in both if match is not in_path], merged)
    return bool(both)


def _of_whole_path(match: StringMatch, *, fold: bool = False) -> Part:
    """A condition on a path as one on the path with its query. Neither an exact path nor a prefix contains a `?`."""
    if match.kind is MatchKind.PREFIX and not fold:
        return _rendered(match)
    rest = ".*" if match.kind is MatchKind.PREFIX else r"(\?.*)?"
    return {MatchKind.REGEX.value: (_in_any_case(match.value) if fold else re.escape(match.value)) + rest}


def _in_any_case(text: str) -> str:
    """An expression without flags, which Python's `re` reads like RE2."""
    return "".join(
        f"[{char.lower()}{char.upper()}]" if char.isascii() and char.isalpha() else re.escape(char) for char in text
    )


def _add_headers(header: str, conditions: Sequence[Part], merged: Conditions) -> None:
    """Adds conditions on a header under a name that has none yet. Pseudo-headers have a single name."""
    names = (header,) if header.startswith(":") else (header, header.upper())
    for condition in conditions:
        headers = merged.setdefault("headers", {})
        free = next((name for name in names if name not in headers), None)
        if free is None:
            raise NoCombinationError(f"Istio can't express one more condition on {header}")
        headers[free] = condition


def _rendered(match: StringMatch | HeaderMatch) -> dict[str, str]:
    """Istio's StringMatch; an empty one only requires that there is a text."""
    return {} if match.kind is MatchKind.PRESENT else {match.kind.value: match.value}


def _read(condition: Part) -> StringMatch:
    kinds = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)
    kind = next((kind for kind in kinds if kind.value in condition), MatchKind.PRESENT)
    return StringMatch(kind, condition.get(kind.value, ""))


def _lower(match: StringMatch) -> StringMatch:
    return StringMatch(match.kind, match.value.lower())


def _both(one: StringMatch, other: StringMatch) -> Sequence[StringMatch]:
    """The conditions that a text satisfies if it satisfies these two: the narrower one if it includes the other, else
    both, an expression after an exact text; none if no text does."""
    if one == other:
        return (one,)
    narrow, wide = sorted((one, other), key=lambda match: (_NARROWEST_FIRST[match.kind], -len(match.value)))
    if wide.kind is MatchKind.PRESENT:
        return (narrow,)
    if narrow.kind is MatchKind.REGEX:
        return (narrow, wide)
    included = _satisfies(narrow.value, wide)
    return (narrow, wide) if included is None else (narrow,) if included else ()


def _satisfies(value: str, wide: StringMatch) -> bool | None:
    """Whether a text with this value, or with this prefix, satisfies `wide`; None if only Envoy can tell."""
    if wide.kind is MatchKind.REGEX:
        return matches_regex(wide.value, value)
    return value == wide.value if wide.kind is MatchKind.EXACT else value.startswith(wide.value)
