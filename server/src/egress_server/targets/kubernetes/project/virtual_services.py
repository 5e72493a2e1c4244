"""Routes and faults as VirtualServices: of several for a host that a sidecar sees, Istio uses one."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.istio.manifest import full_name
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, key_of, resource_of
from egress_server.domain.render.host_traffic import virtual_service_rank
from egress_server.domain.render.match import NoCombinationError, combined
from egress_server.domain.render.route_names import in_foreign_object, own_name, without_fault
from egress_server.domain.render.virtual_service import only_injects_faults
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import object_name
from egress_server.targets.kubernetes.merge.istio_objects import foreign_routes
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, fields_object
from egress_server.targets.kubernetes.project.builder import ProjectionBuilder, exported_to

Route = Mapping[str, Any]
Match = Mapping[str, Any]
Ends = Mapping[str, str]

_WITHOUT_DESTINATION = frozenset({"redirect", "directResponse", "delegate"})
_ANY: tuple[Match, ...] = ({},)


def faulted_routes(
    faults: Sequence[Route], foreign: Sequence[Route], ends: Ends
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The owner's routes with each of our `faults` on them, and when each of these ends."""
    routes: list[dict[str, Any]] = []
    ending: dict[str, str] = {}
    for fault in faults:
        number = 0
        for route in foreign:
            matches = _all_matches(fault.get("match") or _ANY, route.get("match") or _ANY)
            if not matches:
                continue
            name = own_name(fault["name"]) + (f"/their-{number}" if number else "")
            routes.append(_faulted(name, fault, route, matches))
            ending[name] = ends[fault["name"]]
            number += 1
    return routes, ending


def for_clients(route: Route, clients: Collection[str]) -> dict[str, Any]:
    """The route restricted to workloads of these namespaces, for a VirtualService that others see too."""
    matches = [
        {**match, "sourceNamespace": client}
        for match in route.get("match") or _ANY
        for client in sorted(clients)
        if match.get("sourceNamespace", client) == client
    ]
    return {**route, "match": matches}


def for_host(route: Route, host: str) -> dict[str, Any]:
    """The route restricted to one host, for a VirtualService with several; the authority may include a port."""
    authority = {"authority": {"regex": rf"{re.escape(host)}(:\d+)?"}}
    return {**route, "match": _all_matches(route.get("match") or _ANY, [authority])}


def _faulted(name: str, fault: Route, route: Route, matches: Sequence[Match]) -> dict[str, Any]:
    """A fault has no effect on a route without a destination; such a route is repeated to keep its place."""
    rest = {key: value for key, value in route.items() if key not in ("name", "match")}
    with_fault = {} if route.keys() & _WITHOUT_DESTINATION else {"fault": fault["fault"]}
    return {"name": name, **({"match": list(matches)} if matches != [{}] else {}), **rest, **with_fault}


def _all_matches(ours: Iterable[Match], foreign: Sequence[Match]) -> list[Match]:
    """Every combination of one match of each, without those that no request can satisfy."""
    return [both for match in ours for other in foreign if (both := combined(match, other)) is not None]


def project_virtual_service(builder: ProjectionBuilder, obj: IstioObject) -> None:
    """One managed VirtualService, which is for one host."""
    if not builder.accepts(obj):
        return
    owner = _owner(builder, obj)
    if owner is None:
        builder.add_unless_named(obj)
    elif builder.is_adopted(owner.key):
        _merge(builder, obj, owner)
    else:
        builder.reject_foreign(obj, owner, f"routes {obj['spec']['hosts'][0]}: Istio uses the oldest")


def _owner(builder: ProjectionBuilder, obj: IstioObject) -> CachedObject | None:
    """The oldest foreign VirtualService for the host that is older than the managed one, or that Istio prefers to it,
    for some of its clients. If that is exported to all, those in its own namespace are considered."""
    ours = builder.observed.managed(key_of(obj))
    namespace, export_to = obj["metadata"]["namespace"], obj["spec"]["exportTo"]
    for other in builder.foreign_virtual_services(full_name(obj["spec"]["hosts"][0], namespace)):
        theirs, their_namespace = builder.observed.export_to(other), other.key.namespace
        for client in exported_to(obj) or {namespace}:
            rank = virtual_service_rank(theirs, their_namespace, client)
            preferred = rank < virtual_service_rank(export_to, namespace, client)
            if builder.observed.is_visible(other, client) and (ours is None or other.age < ours.age or preferred):
                return other
    return None


def _merge(builder: ProjectionBuilder, obj: IstioObject, owner: CachedObject) -> None:
    """Our routes as fields of the owner, next to those that we already have for another of its hosts."""
    saved = builder.observed.saved.get(owner.key)
    foreign = foreign_routes(owner.content, saved.spec if saved else None)
    try:
        http, ends = _routes(obj, owner, foreign)
    except NoCombinationError as error:
        builder.reject(
            obj,
            FOREIGN_OWNER,
            f"{object_name(owner.key)} has conditions that can't be combined with those of a fault: {error}",
        )
        return
    if not http:
        return
    if {route.get("name") for route in foreign} & {route["name"] for route in http}:
        builder.reject(obj, FOREIGN_OWNER, f"{object_name(owner.key)} already has a route with one of our names")
        return
    existing = builder.get(owner.key)
    if existing is not None:
        http = [*existing["spec"]["http"], *http]
        ends |= json.loads(existing["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    marks = {FAULT_EXPIRY_ANNOTATION: json.dumps(ends, sort_keys=True)} if ends else {}
    resource = resource_of(existing or obj)
    builder.add(fields_object(owner.key, resource, {"http": http}, forced=True, annotations=marks))


def _routes(
    obj: IstioObject, owner: CachedObject, foreign: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Our routes and when they end. If we only inject faults, they go onto the owner's own routes; if we route
    ourselves, our routes are used as they are."""
    host, ours = obj["spec"]["hosts"][0], obj["spec"]["http"]
    ends: dict[str, str] = json.loads(obj["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    if foreign and only_injects_faults(obj):
        ours, ends = faulted_routes([route for route in ours if "fault" in route], foreign, ends)
    if owner.content["hosts"] != [host]:
        ours = [restricted for route in ours if (restricted := for_host(route, host))["match"]]
    if clients := exported_to(obj):
        ours = [restricted for route in ours if (restricted := for_clients(route, clients))["match"]]
    names = {route["name"]: _named(route["name"], host) for route in ours}
    renamed = [{**route, "name": names[route["name"]]} for route in ours]
    return renamed, {names[name]: end for name, end in ends.items() if name in names}


def _named(name: str, host: str) -> str:
    """A name that no foreign route has."""
    return in_foreign_object(name, host) if without_fault(name) else name
