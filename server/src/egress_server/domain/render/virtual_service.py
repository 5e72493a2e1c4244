"""Timeouts, retries, routes and faults to Istio's VirtualService: one for each host that needs one.

Istio does not merge VirtualServices of one host, the oldest wins wholly; so all that concerns a host is in one object.
Routes are tried in order, and a request that no route matches is answered with 404: there is always a last route
without conditions. Each fault's routes are named after it, and the object says when each ends, so that whoever holds
the object can take an ended fault out of it without asking anyone.
"""

import json
from typing import Any

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.names import Name, ResourceKind, parse_name
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, duration, istio_object, resource_of
from egress_server.domain.model.resources import (
    Fault,
    HeaderMatch,
    Retries,
    Route,
    ServiceEntry,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.render.header_matches import both, render_headers
from egress_server.domain.render.host_settings import HostTraffic, hosts_of

Part = dict[str, Any]
_NO_SETTINGS = TrafficSettings()


def render_virtual_services(wanted: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one."""
    return [_render(traffic) for traffic in hosts_of(wanted) if asking_for_one(traffic)]


def asking_for_one(traffic: HostTraffic) -> list[str]:
    """The resources for which a host needs an object: faults first, then its entry; none where it needs none."""
    asking = [active.fault.name for active in traffic.faults]
    if traffic.entry is not None and has_routes(traffic.entry):
        asking.append(traffic.entry.name)
    return asking


def has_routes(entry: ServiceEntry) -> bool:
    """Whether an entry asks for routes of its own for its hosts."""
    settings = entry.traffic
    routed = settings.timeout is not None or settings.retries is not None or bool(settings.routes)
    return routed and any(port.protocol.is_http for port in entry.ports)


def _render(traffic: HostTraffic) -> IstioObject:
    settings = traffic.entry.traffic if traffic.entry else _NO_SETTINGS
    routes = [*settings.routes, Route((WeightedDestination(traffic.host),))]
    http: list[Part] = []
    expiry: dict[str, str] = {}
    for active in traffic.faults:
        for number, route in enumerate(routes):
            name = _fault_route_name(active.fault, number)
            headers = both(route.match_headers, active.fault.match_headers)
            if headers is None:
                continue
            http.append(_faulted(name, active.fault, headers, _treatment(route, settings)))
            expiry[name] = active.expire_time.isoformat()
    http += [_plain(number, route, settings, last=route is routes[-1]) for number, route in enumerate(routes)]
    spec: Part = {"hosts": [traffic.host], "http": http}
    if traffic.entry and traffic.entry.export_to:
        spec["exportTo"] = list(traffic.entry.export_to)
    obj = istio_object("VirtualService", traffic.namespace, traffic.object_name, traffic.resource, spec)
    if expiry:
        obj["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION] = json.dumps(expiry, sort_keys=True)
    return obj


def resources_in(obj: IstioObject) -> tuple[str, ...]:
    """The resources that an object carries out: more than the one it is rendered from, where a host is disturbed."""
    origin = resource_of(obj)
    if obj["kind"] != "VirtualService":
        return (origin,)
    mesh = parse_name(origin).mesh
    faults = [str(_fault_of(route["name"], mesh)) for route in obj["spec"]["http"] if "fault" in route]
    speaks = not faults or not is_for_faults_alone(obj)
    return tuple(dict.fromkeys((*((origin,) if speaks else ()), *faults)))


def is_for_faults_alone(obj: IstioObject) -> bool:
    """Whether an object is a VirtualService that does nothing but disturb, or did until its faults were taken out."""
    if obj["kind"] != "VirtualService":
        return False
    plain = [route for route in obj["spec"].get("http", ()) if "fault" not in route]
    return len(plain) <= 1 and not any(route.keys() & {"timeout", "retries"} for route in plain)


def _fault_of(route: str, mesh: str) -> Name:
    """The fault that a route is named after."""
    namespace, _, rest = route.removeprefix("fault-").partition(".")
    return Name(mesh, ResourceKind.FAULT, rest.partition("/")[0], namespace)


def _fault_route_name(fault: Fault, number: int) -> str:
    """Of no two faults the same, since routes are taken out by name: a namespace has no dot, and no id a slash."""
    return f"fault-{fault.namespace}.{parse_name(fault.name).id}" + (f"/{number}" if number else "")


def _faulted(name: str, fault: Fault, headers: tuple[HeaderMatch, ...], treatment: Part) -> Part:
    base: Part = {"headers": render_headers(headers)}
    if fault.source_labels:
        base["sourceLabels"] = dict(sorted(fault.source_labels.items()))
    if fault.source_namespace:
        base["sourceNamespace"] = fault.source_namespace
    base = {key: value for key, value in base.items() if value}
    match = [{**base, "port": port} for port in fault.ports] or ([base] if base else [])
    return {
        "name": name,
        **({"match": match} if match else {}),
        "fault": _fault(fault),
        **treatment,
    }


def _plain(number: int, route: Route, settings: TrafficSettings, *, last: bool) -> Part:
    headers = render_headers(route.match_headers)
    match = {"match": [{"headers": headers}]} if headers else {}
    return {"name": "fallback" if last else f"route-{number}", **match, **_treatment(route, settings)}


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


def _treatment(route: Route, settings: TrafficSettings) -> Part:
    rendered: Part = {"route": [_destination(destination) for destination in route.destinations]}
    if settings.timeout is not None:
        rendered["timeout"] = duration(settings.timeout)
    if settings.retries is not None:
        rendered["retries"] = _retries(settings.retries)
    return rendered


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
    return rendered
