"""Managed resources: what a caller may set, so whatever validation rejects is drawn again."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from egress_server.domain.model.resources import (
    Abort,
    ConnectionLimits,
    Delay,
    Endpoint,
    Fault,
    HeaderMatch,
    Location,
    MatchKind,
    OutboundMode,
    OutboundPolicy,
    OutlierDetection,
    Protocol,
    Resolution,
    Resource,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import Scope
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.resources import check_resource
from tests.truth.cluster.cluster import NAMESPACES
from tests.truth.generate.draw import ADDRESSES, ENDPOINTS, HOSTS, LABELS, PORTS, Draw
from tests.truth.world import Policy

R = TypeVar("R", bound=Resource)
_TRIES = 20
_TTL = 36_000.0
_P, _R = Protocol, Resolution
_DYNAMIC = (_P.HTTP, _P.HTTP2, _P.GRPC, _P.TLS)
_PROTOCOLS = {
    80: (_P.HTTP, _P.HTTP, _P.HTTP, _P.HTTP2, _P.TLS, _P.TCP, _P.DETECTED),
    443: (_P.HTTPS, _P.TLS, _P.TLS, _P.TCP, _P.HTTP, _P.DETECTED),
    8080: (_P.HTTP, _P.HTTP2, _P.GRPC, _P.TCP, _P.DETECTED),
    3306: (_P.TCP, _P.MYSQL, _P.HTTP),
    8443: (_P.TLS, _P.HTTPS, _P.TCP),
    27017: (_P.MONGO, _P.TCP, _P.REDIS),
}


def entry(draw: Draw) -> Policy:
    """A service entry."""
    return _valid(draw, _entry)


def fault(draw: Draw) -> Policy:
    """A fault."""
    return _valid(draw, _fault)


def outbound_policy(draw: Draw) -> Policy:
    """An outbound policy of the mesh, a namespace, or workloads."""
    return _valid(draw, _outbound_policy)


def _valid(draw: Draw, make: Callable[[Draw], Resource]) -> Policy:
    for _ in range(_TRIES):
        resource, problems = make(draw), Problems()
        check_resource(resource, problems)
        if not problems.any:
            return Policy(resource, draw.count(10, 14))
    raise AssertionError(f"{make.__name__}: no valid resource in {_TRIES} tries")


def _entry(draw: Draw) -> ServiceEntry:
    namespace = draw.one(NAMESPACES)
    resolution = draw.one(
        (
            Resolution.NONE,
            Resolution.NONE,
            Resolution.DNS,
            Resolution.DNS,
            Resolution.STATIC,
            Resolution.DNS_ROUND_ROBIN,
        )
    )
    hosts = tuple(dict.fromkeys(draw.host(service=0.03) for _ in range(draw.one((1, 1, 1, 2)))))
    if draw.chance(0.08):
        resolution, hosts = _R.DYNAMIC_DNS, ("*.wild.example",)
    ports = _ports(draw)
    if resolution is _R.DYNAMIC_DNS:
        ports = tuple(replace(port, protocol=draw.one(_DYNAMIC)) for port in ports)
    elif resolution is _R.DNS_ROUND_ROBIN or (resolution is _R.DNS and any(host.startswith("*") for host in hosts)):
        hosts = tuple(host for host in hosts if not host.startswith("*")) or (draw.one(HOSTS),)
    addresses = tuple(draw.some(ADDRESSES, 1, 2)) if draw.chance(0.3) else ()
    endpoints: tuple[Endpoint, ...] = ()
    if resolution is _R.STATIC or (resolution is _R.DNS and draw.chance(0.2)):
        endpoints = tuple(_endpoint(draw) for _ in range(draw.count(1, 2)))
    return ServiceEntry(
        f"meshes/default/namespaces/{namespace}/serviceEntries/{draw.name('entry')}",
        hosts=hosts,
        ports=ports,
        resolution=resolution,
        location=draw.one((Location.MESH_EXTERNAL, Location.MESH_EXTERNAL, Location.MESH_INTERNAL)),
        endpoints=endpoints,
        addresses=addresses,
        export_to=tuple(draw.export_to(hidden=False)),
        traffic=_traffic(draw, ports),
    )


def _ports(draw: Draw) -> tuple[ServicePort, ...]:
    return tuple(
        ServicePort.of(number, draw.one(_PROTOCOLS[number]), f"p{number}", draw.one((0, 0, 0, 0, 443)))
        for number in draw.some(PORTS, 1, 3)
    )


def _endpoint(draw: Draw) -> Endpoint:
    labels = {"version": draw.one(("v1", "v2"))} if draw.chance(0.5) else {}
    return Endpoint(draw.one(ENDPOINTS), {}, labels)


def _traffic(draw: Draw, ports: tuple[ServicePort, ...]) -> TrafficSettings:
    if draw.chance(0.5):
        return TrafficSettings()
    http = any(port.protocol.is_http for port in ports)
    return TrafficSettings(
        timeout=5.0 if http and draw.chance(0.4) else None,
        retries=Retries(2) if http and draw.chance(0.3) else None,
        routes=_routes(draw) if http and draw.chance(0.35) else (),
        tls_origination=TlsOrigination(draw.one(ports).number) if draw.chance(0.15) else None,
        connection_limits=ConnectionLimits(10) if draw.chance(0.15) else None,
        outlier_detection=OutlierDetection(5) if draw.chance(0.15) else None,
    )


def _routes(draw: Draw) -> tuple[Route, ...]:
    routes = [Route((WeightedDestination(draw.one(HOSTS)),), _headers(draw))] if draw.chance(0.5) else []
    targets = draw.some(HOSTS, 1, 2)
    weights = (100,) if len(targets) == 1 else draw.one(((70, 30), (100, 0)))
    port = draw.one((0, 0, 0, *PORTS))
    last = tuple(WeightedDestination(host, port, weight) for host, weight in zip(targets, weights, strict=True))
    return (*routes, Route(last))


def _headers(draw: Draw) -> tuple[HeaderMatch, ...]:
    return draw.one(
        (
            (HeaderMatch("x-user", MatchKind.EXACT, "alice"),),
            (HeaderMatch("x-user", MatchKind.PREFIX, "b"),),
            (HeaderMatch("x-user", MatchKind.REGEX, "al.*"),),
            (HeaderMatch("x-canary"),),
        )
    )


def _fault(draw: Draw) -> Fault:
    percent = draw.one((100.0, 100.0, 100.0, 50.0))
    abort = Abort(draw.one((418, 503)), percent=percent)
    delay = Delay(0.2, percent)
    what = draw.one(((abort, None), (abort, None), (None, delay), (abort, delay)))
    return Fault(
        f"meshes/default/namespaces/{draw.one(NAMESPACES)}/faults/{draw.name('fault')}",
        host=draw.host(),
        ttl=_TTL,
        abort=what[0],
        delay=what[1],
        ports=(draw.one(PORTS),) if draw.chance(0.25) else (),
        match_headers=_headers(draw) if draw.chance(0.25) else (),
        source_labels=dict(draw.one(LABELS)) if draw.chance(0.2) else {},
        source_namespace=draw.one(NAMESPACES) if draw.chance(0.2) else "",
    )


def _outbound_policy(draw: Draw) -> OutboundPolicy:
    scope = draw.one((Scope(), Scope(draw.one(NAMESPACES)), Scope(draw.one(NAMESPACES), dict(draw.one(LABELS)))))
    mode = draw.one((OutboundMode.REGISTRY_ONLY, OutboundMode.REGISTRY_ONLY, OutboundMode.ALLOW_ANY))
    return OutboundPolicy(f"meshes/default/outboundPolicies/{draw.name('policy')}", mode, scope)
