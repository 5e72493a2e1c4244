"""Routes and faults as VirtualServices: for each host Istio uses the oldest one that sidecars see."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, key_of, resource_of
from egress_server.domain.model.resources import HeaderMatch, MatchKind
from egress_server.domain.render.header_matches import both, render_headers
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import name_of_object
from egress_server.targets.kubernetes.merge.istio_objects import others_routes
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, fields_object
from egress_server.targets.kubernetes.observe.observation import full_host, visible
from egress_server.targets.kubernetes.project.builder import Projection

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


def fit_virtual_service(draft: Projection, obj: IstioObject) -> None:
    """One VirtualService of ours, which is for one host."""
    if not draft.passes(obj):
        return
    owner = _owner(draft, obj)
    if owner is None:
        if namesake := draft.namesake(obj):
            draft.refuse_owner(obj, namesake, "has this name and is not ours")
        else:
            draft.take(obj)
    elif draft.adopted(owner.key):
        _merge(draft, obj, owner)
    else:
        draft.refuse_owner(obj, owner, f"decides the routes of {obj['spec']['hosts'][0]}, as Istio takes the oldest")


def _owner(draft: Projection, obj: IstioObject) -> CachedObject | None:
    """The oldest one of others that sidecars of our namespace heed for the host, if ours is not older."""
    mine = draft.view.ours(key_of(obj))
    namespace = obj["metadata"]["namespace"]
    for other in draft.deciding(full_host(obj["spec"]["hosts"][0], namespace)):
        if mine is not None and mine.age < other.age:
            return None
        if visible(other, namespace):
            return other
    return None


def _merge(draft: Projection, obj: IstioObject, owner: CachedObject) -> None:
    """Our routes for the owner, beside those that we have for another host of it."""
    held = draft.view.held.get(owner.key)
    theirs = others_routes(owner.content, held.spec if held else None)
    http, ends = _routes(obj, owner, theirs)
    if {route.get("name") for route in theirs} & {route["name"] for route in http}:
        draft.refuse(obj, FOREIGN_OWNER, f"{name_of_object(owner.key)} has a route by a name of ours")
        return
    beside = draft.part(owner.key)
    if beside is not None:
        http = [*beside["spec"]["http"], *http]
        ends |= json.loads(beside["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    marks = {FAULT_EXPIRY_ANNOTATION: json.dumps(ends, sort_keys=True)} if ends else {}
    resource = resource_of(beside or obj)
    draft.take(fields_object(owner.key, resource, {"http": http}, forced=True, annotations=marks))


def _routes(
    obj: IstioObject, owner: CachedObject, theirs: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Our routes and when they end. Where we only disturb requests, they are disturbed on the owner's own routes; what
    we route ourselves is ours wholly."""
    host, ours = obj["spec"]["hosts"][0], obj["spec"]["http"]
    ends: dict[str, str] = json.loads(obj["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    plain = [route for route in ours if "fault" not in route]
    if theirs and len(plain) == 1 and not plain[0].keys() & {"timeout", "retries", "match"}:
        ours, ends = faulted_routes([route for route in ours if "fault" in route], theirs, ends)
    if owner.content["hosts"] != [host]:
        ours = [for_host(route, host) for route in ours]
    return [route if "fault" in route or route["name"] in ends else _named(route, host) for route in ours], ends


def _named(route: dict[str, Any], host: str) -> dict[str, Any]:
    """By a name that no route of others has."""
    return {**route, "name": f"egress-{host}/{route['name']}"}
