"""Faults on the routes of a VirtualService that is not ours: each fault goes on each route, where both apply.

Requests that a fault lets through must go where the owner's routes send them, so each of these is repeated with the
fault on it, in their order.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.render.headers import both, render_headers
from egress_server.domain.resources import HeaderMatch, MatchKind

Route = Mapping[str, Any]
Match = Mapping[str, Any]
Ends = Mapping[str, str]

_ANSWERS_ITSELF = frozenset({"redirect", "directResponse", "delegate"})
_ANY: tuple[Match, ...] = ({},)


def faulted_routes(
    faults: Sequence[Route], theirs: Sequence[Route], ends: Ends
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Their routes with each of our `faults` on them, and when each of these ends."""
    made: list[dict[str, Any]] = []
    ending: dict[str, str] = {}
    for fault in faults:
        number = 0
        for route in theirs:
            matches = _both(fault.get("match") or _ANY, route.get("match") or _ANY)
            if not matches:
                continue
            name = fault["name"] + (f"/their-{number}" if number else "")
            made.append(_faulted(name, fault, route, matches))
            ending[name] = ends[fault["name"]]
            number += 1
    return made, ending


def for_host(route: Route, host: str) -> dict[str, Any]:
    """The route for one host only, of a VirtualService for several; a port may stand behind it."""
    authority = {"authority": {"regex": rf"{re.escape(host)}(:\d+)?"}}
    matches = [{**match, **authority} for match in route.get("match") or _ANY]
    return {**route, "match": matches}


def _faulted(name: str, fault: Route, route: Route, matches: Sequence[Match]) -> dict[str, Any]:
    """A route that leads nowhere can't be disturbed; it is repeated to keep its place."""
    rest = {key: value for key, value in route.items() if key not in ("name", "match")}
    disturbed = {} if route.keys() & _ANSWERS_ITSELF else {"fault": fault["fault"]}
    return {"name": name, **({"match": list(matches)} if matches != [{}] else {}), **rest, **disturbed}


def _both(ours: Iterable[Match], theirs: Sequence[Match]) -> list[Match]:
    """Conditions that hold where one of each holds."""
    return [one for mine in ours for other in theirs if (one := _one(mine, other)) is not None]


def _one(mine: Match, other: Match) -> Match | None:
    """Both conditions as one; None where no request meets both."""
    merged = {**other, **mine}
    for key in ("port", "sourceNamespace"):
        if key in mine and key in other and mine[key] != other[key]:
            return None
    if "sourceLabels" in mine and "sourceLabels" in other:
        labels = {**other["sourceLabels"], **mine["sourceLabels"]}
        if any(labels[key] != value for key, value in other["sourceLabels"].items()):
            return None
        merged["sourceLabels"] = labels
    if "headers" in mine and "headers" in other:
        headers = both(_headers(other["headers"]), _headers(mine["headers"]))
        if headers is None:
            return None
        merged["headers"] = render_headers(headers)
    return merged


def _headers(headers: Mapping[str, Mapping[str, str]]) -> list[HeaderMatch]:
    return [_header(name, condition) for name, condition in headers.items()]


def _header(name: str, condition: Mapping[str, str]) -> HeaderMatch:
    for kind in (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX):
        if kind.value in condition:
            return HeaderMatch(name, kind, condition[kind.value])
    return HeaderMatch(name)
