"""Timeouts, retries, routes and faults to Istio's VirtualService.

Istio does not merge the VirtualServices that a client sees for a host, it uses one; so everything about a host that
affects the same clients is in one object (host_traffic). Routes are tried in order, and a request that matches none is
answered with 404: the last route always matches, and only that one. The routes of a fault are named after it, and the
object says when each of them expires, so that anyone who holds the object can remove an expired fault from it without
further information (route_names).
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, duration, istio_object, resource_of
from egress_server.domain.model.resources import (
    Fault,
    HeaderMatch,
    MatchKind,
    Retries,
    Route,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic
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
    if not routes or routes[-1].match_headers:
        routes.append(Route((WeightedDestination(traffic.host),)))
    http: list[Part] = []
    expiry: dict[str, str] = {}
    everywhere: ActiveFault | None = None
    for active in traffic.faults:
        if not _is_conditional(active.fault):
            everywhere = everywhere or active
            continue
        for number, route in enumerate(routes):
            headers = merge_headers(route.match_headers, active.fault.match_headers)
            if headers is None:
                continue
            match = _fault_match(active.fault, headers)
            if any(match == known["match"] for known in http):
                continue
            name = fault_route_name(active.fault, number)
            http.append({"name": name, "match": match, "fault": _fault(active.fault), **_action(route, settings)})
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
    return bool(fault.match_headers or fault.source_labels or fault.source_namespace or fault.ports)


def _fault_match(fault: Fault, headers: tuple[HeaderMatch, ...]) -> list[Part]:
    base: Part = {"headers": render_headers(headers)}
    if fault.source_labels:
        base["sourceLabels"] = dict(sorted(fault.source_labels.items()))
    if fault.source_namespace:
        base["sourceNamespace"] = fault.source_namespace
    base = {key: value for key, value in base.items() if value}
    return [{**base, "port": port} for port in fault.ports] or [base]


def _plain_route(name: str, route: Route, settings: TrafficSettings, everywhere: ActiveFault | None) -> Part:
    headers = render_headers(route.match_headers)
    match = {"match": [{"headers": headers}]} if headers else {}
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


def render_headers(matches: Iterable[HeaderMatch]) -> Part:
    """Istio's form, by header; an empty condition only requires that the header is present."""
    return {m.name: {} if m.kind is MatchKind.PRESENT else {m.kind.value: m.value} for m in matches}


_NARROWEST_FIRST = {MatchKind.EXACT: 0, MatchKind.REGEX: 1, MatchKind.PREFIX: 2, MatchKind.PRESENT: 3}


def merge_headers(route: Iterable[HeaderMatch], fault: Iterable[HeaderMatch]) -> tuple[HeaderMatch, ...] | None:
    """The conditions that hold if those of both `route` and `fault` do; None if no request satisfies both.

    Istio allows one condition per header. If a route and a fault match the same header, both conditions must hold, or
    the fault would send requests where the route never sent them.
    """
    merged = {match.name: match for match in route}
    for match in fault:
        other = merged.get(match.name)
        both = _merge(other, match) if other else match
        if both is None:
            return None
        merged[match.name] = both
    return tuple(merged.values())


def _merge(route: HeaderMatch, fault: HeaderMatch) -> HeaderMatch | None:
    """The narrower of two conditions if the other one includes it. That can't be decided for a regular expression and a
    condition that is not exact: there the expression is used, and the fault's if both are expressions."""
    narrow, wide = sorted((fault, route), key=lambda match: (_NARROWEST_FIRST[match.kind], -len(match.value)))
    if narrow.kind is MatchKind.REGEX:
        return fault if wide.kind is MatchKind.REGEX else narrow
    return narrow if _satisfies(narrow.value, wide) else None


def _satisfies(value: str, wide: HeaderMatch) -> bool:
    """Whether a header with this value, or with this prefix, satisfies `wide`."""
    if wide.kind is MatchKind.EXACT:
        return value == wide.value
    if wide.kind is MatchKind.PREFIX:
        return value.startswith(wide.value)
    return wide.kind is MatchKind.PRESENT or re.fullmatch(wide.value, value) is not None
