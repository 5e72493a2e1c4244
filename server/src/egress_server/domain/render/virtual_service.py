"""Timeouts, retries, routes and faults to Istio's VirtualService.

Istio does not merge the VirtualServices that a client sees for a host, it uses one; so everything about a host that
affects the same clients is in one object (host_traffic). Routes are tried in order, and a request that matches none is
answered with 404: the last route always matches, and only that one. The routes of a fault are named after it, and the
object says when each of them expires, so that anyone who holds the object can remove an expired fault from it without
further information (route_names).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, duration, istio_object, resource_of
from egress_server.domain.model.resources import (
    Fault,
    HeaderOperations,
    Retries,
    Route,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic
from egress_server.domain.render.match import NoCombinationError, combined, render_conditions
from egress_server.domain.render.route_names import (
    FALLBACK,
    fault_in,
    fault_route_name,
    faulted_name,
    is_fallback,
    plain_name,
    without_fault,
)

Part = dict[str, Any]
_FALLBACK_FIELDS = frozenset({"name", "match", "fault", "route"})


def render_virtual_services(effective: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one."""
    return [_render(traffic) for traffic in all_host_traffic(effective) if traffic.routing_sources]


def _render(traffic: HostTraffic) -> IstioObject:
    settings = traffic.settings
    routes = list(settings.routes)
    if not routes or render_conditions(routes[-1]):
        routes.append(Route((WeightedDestination(traffic.host),)))
    everywhere = next((active for active in traffic.faults if not _is_conditional(active.fault)), None)
    http: list[Part] = []
    expiry: dict[str, str] = {}
    for active in traffic.faults:
        for number, matches in _fault_matches(active.fault, routes) if _is_conditional(active.fault) else ():
            if any(matches == known["match"] for known in http):
                continue
            name, action = fault_route_name(active.fault, number), _action(routes[number], settings)
            http.append({"name": name, "match": matches, "fault": _fault(active.fault), **action})
            expiry[name] = active.expire_time.isoformat()
    for number, route in enumerate(routes):
        name = plain_name(number) if number < len(settings.routes) else FALLBACK
        if everywhere:
            name = faulted_name(everywhere.fault, name)
            expiry[name] = everywhere.expire_time.isoformat()
        http.append(_plain_route(name, route, settings, everywhere))
    spec: Part = {"hosts": [traffic.host], "http": http, "exportTo": list(traffic.export_to)}
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
    faults = [str(fault_in(route["name"], mesh)) for route in obj["spec"]["http"] if "fault" in route]
    implements_origin = not faults or not only_injects_faults(obj)
    return tuple(dict.fromkeys((*((origin,) if implements_origin else ()), *faults)))


def only_injects_faults(obj: IstioObject) -> bool:
    """Whether an object is a VirtualService that exists only for faults, even if they have been removed from it."""
    if obj["kind"] != "VirtualService":
        return False
    named = ((without_fault(route.get("name", "")), route) for route in obj["spec"].get("http", ()))
    return all(is_fallback(name) and route.keys() <= _FALLBACK_FIELDS for name, route in named if name)


def _is_conditional(fault: Fault) -> bool:
    return bool(fault.ports or _fault_conditions(fault))


def _fault_conditions(fault: Fault) -> Part:
    """What a fault requires of requests and their sources, besides the port."""
    conditions = render_conditions(fault)
    if fault.source_labels:
        conditions["sourceLabels"] = dict(sorted(fault.source_labels.items()))
    if fault.source_namespace:
        conditions["sourceNamespace"] = fault.source_namespace
    return conditions


def _fault_matches(fault: Fault, routes: Sequence[Route]) -> Iterator[tuple[int, list[Part]]]:
    """The requests of each route that meet the conditions of the fault, by port. A route for which Istio can't express
    that is the last one, because the matches of later routes would take its requests (EGR0208 refuses such a fault)."""
    for number, route in enumerate(routes):
        try:
            both = combined(_fault_conditions(fault), render_conditions(route))
        except NoCombinationError:
            return
        if both is not None:
            yield number, [{**both, "port": port} for port in fault.ports] or [both]


def _plain_route(name: str, route: Route, settings: TrafficSettings, everywhere: ActiveFault | None) -> Part:
    conditions = render_conditions(route)
    match = {"match": [conditions]} if conditions else {}
    fault = {"fault": _fault(everywhere.fault)} if everywhere else {}
    return {"name": name, **match, **fault, **_action(route, settings)}


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
