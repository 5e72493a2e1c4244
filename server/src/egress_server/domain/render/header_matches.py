"""Header conditions of a route together with those of a fault on it.

Istio's match holds one condition a header. Where a route and a fault name the same header both have to hold, or else
the fault would send requests to where the route never led them.
"""

import re
from collections.abc import Iterable
from typing import Any

from egress_server.domain.model.resources import HeaderMatch, MatchKind

_CLOSEST = {MatchKind.EXACT: 0, MatchKind.REGEX: 1, MatchKind.PREFIX: 2, MatchKind.PRESENT: 3}


def both(route: Iterable[HeaderMatch], fault: Iterable[HeaderMatch]) -> tuple[HeaderMatch, ...] | None:
    """One condition a header, which hold where all of `route` and of `fault` do; None where no request meets both."""
    merged = {match.name: match for match in route}
    for match in fault:
        other = merged.get(match.name)
        one = _both(other, match) if other else match
        if one is None:
            return None
        merged[match.name] = one
    return tuple(merged.values())


def render_headers(matches: Iterable[HeaderMatch]) -> dict[str, Any]:
    """Istio's form, by header; an empty condition asks only that the header is there."""
    return {m.name: {} if m.kind is MatchKind.PRESENT else {m.kind.value: m.value} for m in matches}


def _both(route: HeaderMatch, fault: HeaderMatch) -> HeaderMatch | None:
    """The narrower of two conditions, where it is within the other. Two of which one is a regular expression, and none
    is exact, can't be told so: of them the expression stands, of two the fault's."""
    narrow, wide = sorted((fault, route), key=lambda match: (_CLOSEST[match.kind], -len(match.value)))
    if narrow.kind is MatchKind.REGEX:
        return fault if wide.kind is MatchKind.REGEX else narrow
    return narrow if _within(narrow.value, wide) else None


def _within(value: str, wide: HeaderMatch) -> bool:
    """Whether a header of this value, or one that begins with it, meets `wide`."""
    if wide.kind is MatchKind.EXACT:
        return value == wide.value
    if wide.kind is MatchKind.PREFIX:
        return value.startswith(wide.value)
    return wide.kind is MatchKind.PRESENT or re.fullmatch(wide.value, value) is not None
