"""Themes about managed resources next to foreign objects for the same host."""

from dataclasses import replace

from egress_server.domain.model.resources import (
    Abort,
    Fault,
    Protocol,
    Resolution,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from tests.truth.cluster.cluster import NAMESPACES
from tests.truth.generate import managed
from tests.truth.generate.draw import HOSTS, Draw
from tests.truth.generate.themes import Theme, foreign_entry, foreign_routes
from tests.truth.world import Policy

_HTTP, _TLS, _TCP = (80, Protocol.HTTP), (443, Protocol.TLS), (3306, Protocol.TCP)


def faults(draw: Draw, _: str) -> Theme:
    """A fault on the host of an entry."""
    host, ports = draw.one(HOSTS), (_HTTP, (8080, Protocol.HTTP))
    policies = [_entry(draw, host, *ports), _fault(draw, host)]
    if draw.chance(0.3):
        policies.append(_fault(draw, host))
    return Theme([], [(host, 80, "HTTP"), (host, 80, "HTTP"), (host, 8080, "HTTP")], policies=policies)


def faults_and_routes(draw: Draw, _: str) -> Theme:
    """A fault on a host for which there is a foreign VirtualService."""
    host, other = draw.one(HOSTS), draw.one(HOSTS)
    rule = {"route": [{"destination": {"host": other}}]}
    policies = [_entry(draw, each, _HTTP) for each in dict.fromkeys((host, other))]
    return Theme(
        [foreign_routes(draw, host, http=[rule])], [(host, 80, "HTTP")], policies=[*policies, _fault(draw, host)]
    )


def merging(draw: Draw, _: str) -> Theme:
    """Entries for one host in one namespace or in several, with different ports."""
    host, namespace = draw.one(HOSTS), draw.one(NAMESPACES)
    places = ((80, "HTTP"), (443, "TLS"), (3306, "TCP"))
    objects = [
        foreign_entry(
            draw,
            host,
            *draw.some(places, 1, 2),
            namespace=namespace if draw.chance(0.7) else "",
            resolution=draw.one(("DNS", "NONE")),
            exportTo=draw.export_to(),
        )
        for _ in range(draw.count(0, 2))
    ]
    policies = [_entry(draw, host, *draw.some((_HTTP, _TLS, _TCP), 1, 2), namespace=namespace) for _ in range(2)]
    return Theme(objects, [(host, *place) for place in places], policies=policies)


def managed_routes(draw: Draw, _: str) -> Theme:
    """Routes of an entry to other hosts, which may not be registered."""
    host, other = draw.one(HOSTS), draw.one(HOSTS)
    first = _entry(draw, host, _HTTP)
    assert isinstance(first.resource, ServiceEntry)
    traffic = TrafficSettings(routes=(Route((WeightedDestination(other),)),))
    policies = [Policy(replace(first.resource, traffic=traffic), first.at)]
    if draw.chance(0.6):
        policies.append(_entry(draw, other, _HTTP))
    return Theme([], [(host, 80, "HTTP")], policies=policies)


def origination(draw: Draw, _: str) -> Theme:
    """TLS that the sidecar originates, and a foreign rule for the host."""
    host = draw.one(HOSTS)
    first = _entry(draw, host, _HTTP, resolution=Resolution.DNS, target=443)
    assert isinstance(first.resource, ServiceEntry)
    policies = [Policy(replace(first.resource, traffic=TrafficSettings(tls_origination=TlsOrigination())), first.at)]
    rule = {"host": host, "trafficPolicy": {"connectionPool": {"tcp": {"connectTimeout": "3s"}}}}
    objects = [draw.foreign("DestinationRule", draw.namespace(), rule)] if draw.chance(0.6) else []
    return Theme(objects, [(host, 80, "HTTP")], policies=policies)


def _entry(
    draw: Draw,
    host: str,
    *ports: tuple[int, Protocol],
    namespace: str = "",
    resolution: Resolution | None = None,
    target: int = 0,
) -> Policy:
    declared = tuple(ServicePort.of(number, protocol, f"p{number}", target) for number, protocol in ports)
    entry = ServiceEntry(
        f"meshes/default/namespaces/{namespace or draw.one(NAMESPACES)}/serviceEntries/{draw.name('entry')}",
        hosts=(host,),
        ports=declared,
        resolution=resolution or draw.one((Resolution.DNS, Resolution.NONE)),
        export_to=tuple(draw.export_to(hidden=False)) if draw.chance(0.3) else (),
    )
    return Policy(entry, draw.count(10, 14))


def _fault(draw: Draw, host: str) -> Policy:
    fault = managed.fault(draw)
    assert isinstance(fault.resource, Fault)
    return Policy(replace(fault.resource, host=host, abort=Abort(418), delay=None), fault.at)
