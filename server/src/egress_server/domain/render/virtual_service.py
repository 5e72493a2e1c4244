"""Timeouts, retries, routes and faults to Istio's VirtualService, one per host that needs it.

Istio does not merge the VirtualServices of a host, it uses the oldest; so everything about a host is in one object.
Routes are tried in order, and a request that matches none is answered with 404: the last route always matches. The
routes of a fault are named after it, and the object says when each of them expires, so that anyone who holds the object
can remove an expired fault from it without further information.
"""

import json
from typing import Any

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.names import Name, ResourceKind, parse_name
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, duration, istio_object, resource_of
from egress_server.domain.model.resources import (
    Fault,
    HeaderOperations,
    Retries,
    Route,
    ServiceEntry,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic
from egress_server.domain.render.match import combined, render_conditions

Part = dict[str, Any]
_NO_SETTINGS = TrafficSettings()


def render_virtual_services(effective: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one."""
    return [_render(traffic) for traffic in all_host_traffic(effective) if virtual_service_sources(traffic)]


def virtual_service_sources(traffic: HostTraffic) -> list[str]:
    """The resources that require an object for the host: faults first, then its entry; empty if none does."""
    sources = [active.fault.name for active in traffic.faults]
    if traffic.entry is not None and needs_routes(traffic.entry):
        sources.append(traffic.entry.name)
    return sources


def needs_routes(entry: ServiceEntry) -> bool:
    """Whether an entry requires a VirtualService for its hosts."""
    return entry.traffic.routes_requests and entry.has_http


def _render(traffic: HostTraffic) -> IstioObject:
    settings = traffic.entry.traffic if traffic.entry else _NO_SETTINGS
    routes = [*settings.routes, Route((WeightedDestination(traffic.host),))]
    http: list[Part] = []
    expiry: dict[str, str] = {}
    for active in traffic.faults:
        for number, route in enumerate(routes):
            name = _fault_route_name(active.fault, number)
            matches = _fault_matches(active.fault, route)
            if not matches:
                continue
            http.append(_fault_route(name, active.fault, matches, _action(route, settings)))
            expiry[name] = active.expire_time.isoformat()
    http += [_plain_route(number, route, settings, last=route is routes[-1]) for number, route in enumerate(routes)]
    spec: Part = {"hosts": [traffic.host], "http": http}
    if traffic.entry and traffic.entry.export_to:
        spec["exportTo"] = list(traffic.entry.export_to)
    obj = istio_object("VirtualService", traffic.namespace, traffic.object_name, traffic.resource, spec)
    if expiry:
        obj["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION] = json.dumps(expiry, sort_keys=True)
    return obj


def resources_in(obj: IstioObject) -> tuple[str, ...]:
    """The resources that an object implements: the one it is rendered from, and the faults in it."""
    origin = resource_of(obj)
    if obj["kind"] != "VirtualService":
        return (origin,)
    mesh = parse_name(origin).mesh
    faults = [str(_fault_of(route["name"], mesh)) for route in obj["spec"]["http"] if "fault" in route]
    implements_origin = not faults or not only_injects_faults(obj)
    return tuple(dict.fromkeys((*((origin,) if implements_origin else ()), *faults)))


SETTINGS = frozenset({"timeout", "retries", "rewrite", "headers"})
"""Fields of a route that the settings of an entry set."""


def only_injects_faults(obj: IstioObject) -> bool:
    """Whether an object is a VirtualService that exists only for faults, even if they have been removed from it."""
    if obj["kind"] != "VirtualService":
        return False
    plain = [route for route in obj["spec"].get("http", ()) if "fault" not in route]
    return len(plain) <= 1 and not any(route.keys() & SETTINGS for route in plain)


def _fault_of(route: str, mesh: str) -> Name:
    """The fault that a route is named after."""
    namespace, _, rest = route.removeprefix("fault-").partition(".")
    return Name(mesh, ResourceKind.FAULT, rest.partition("/")[0], namespace)


def _fault_route_name(fault: Fault, number: int) -> str:
    """Unique per fault, because routes are removed by name: a namespace contains no dot, and an id no slash."""
    return f"fault-{fault.namespace}.{parse_name(fault.name).id}" + (f"/{number}" if number else "")


def _fault_route(name: str, fault: Fault, matches: list[Part], action: Part) -> Part:
    return {
        "name": name,
        **({"match": matches} if matches != [{}] else {}),
        "fault": _fault(fault),
        **action,
    }


def _fault_matches(fault: Fault, route: Route) -> list[Part]:
    """The requests that meet the conditions of both, by port; empty if none does."""
    base = render_conditions(fault)
    if fault.source_labels:
        base["sourceLabels"] = dict(sorted(fault.source_labels.items()))
    if fault.source_namespace:
        base["sourceNamespace"] = fault.source_namespace
    both = combined(base, render_conditions(route))
    if both is None:
        return []
    return [{**both, "port": port} for port in fault.ports] or [both]


def _plain_route(number: int, route: Route, settings: TrafficSettings, *, last: bool) -> Part:
    conditions = render_conditions(route)
    match = {"match": [conditions]} if conditions else {}
    return {"name": "fallback" if last else f"route-{number}", **match, **_action(route, settings)}


def _fault(fault: Fault) -> Part:
    rendered: Part = {}
    if fault.delay:
        rendered["delay"] = {
            "percentage": {"value": fault.delay.percent},
            "fixedDelay": duration(fault.delay.seconds),
        }
    if fault.abort:
        abort: Part = {"percentage": {"value": fault.abort.percent}}
        if fault.abort.http_status:
            abort["httpStatus"] = fault.abort.http_status
        else:
            abort["grpcStatus"] = fault.abort.grpc_status
        rendered["abort"] = abort
    return rendered


def _action(route: Route, settings: TrafficSettings) -> Part:
    rendered: Part = {"route": [_destination(destination) for destination in route.destinations]}
    if route.rewrite_authority:
        rendered["rewrite"] = {"authority": route.rewrite_authority}
    if headers := _headers(route):
        rendered["headers"] = headers
    if settings.timeout is not None:
        rendered["timeout"] = duration(settings.timeout)
    if settings.retries is not None:
        rendered["retries"] = _retries(settings.retries)
    return rendered


def _headers(route: Route) -> Part:
    operations = {"request": route.request_headers, "response": route.response_headers}
    rendered = {side: _operations(changes) for side, changes in operations.items() if changes}
    return {side: changes for side, changes in rendered.items() if changes}


def _operations(changes: HeaderOperations) -> Part:
    parts = {
        "set": dict(sorted(changes.set.items())),
        "add": dict(sorted(changes.add.items())),
        "remove": list(changes.remove),
    }
    return {name: part for name, part in parts.items() if part}


def _destination(destination: WeightedDestination) -> Part:
    to: Part = {"host": destination.host}
    if destination.port:
        to["port"] = {"number": destination.port}
    return {"destination": to, **({"weight": destination.weight} if destination.weight else {})}


def _retries(retries: Retries) -> Part:
    rendered: Part = {"attempts": retries.attempts}
    if retries.per_try_timeout is not None:
        rendered["perTryTimeout"] = duration(retries.per_try_timeout)
    if retries.retry_on:
        rendered["retryOn"] = ",".join(retries.retry_on)
    if retries.backoff is not None:
        rendered["backoff"] = duration(retries.backoff)
    if retries.retry_remote_localities is not None:
        rendered["retryRemoteLocalities"] = retries.retry_remote_localities
    if retries.retry_ignore_previous_hosts is not None:
        rendered["retryIgnorePreviousHosts"] = retries.retry_ignore_previous_hosts
    return rendered
