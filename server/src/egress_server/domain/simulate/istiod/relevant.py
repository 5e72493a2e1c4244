"""The services that can affect a connection to a port.

A mesh may have thousands of hosts on a port, which are distinguished by name: only those that match by name or address,
or that capture every connection, matter. One HTTP and one TLS service represent all others, which only make the
listener wait for the client's first bytes.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import Protocol, ServiceEntry, ServicePort
from egress_server.domain.simulate.istiod.requests import Request
from egress_server.domain.simulate.istiod.scope import ScopeListener, SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService

_FEW = 100
_BY_ORDER = (Protocol.MONGO, Protocol.MYSQL, Protocol.DETECTED)
"""Protocols for which the order of all services counts."""


def relevant_services(
    scope: SidecarScope, listener: ScopeListener, request: Request, address: str
) -> list[MeshService]:
    """The services of an egress listener that matter for connections to the request's port at `address` (empty if
    unknown), in istiod's order."""
    entries = scope.world.on_port(request.destination.port)
    hosts = set(_relevant_hosts(scope, listener, entries, request, address))
    found = [
        service for host in hosts for spelled in scope.world.spellings(host) for service in listener.services(spelled)
    ]
    return sorted((s for s in found if s.port(request.destination.port)), key=listener.rank)


def _relevant_hosts(
    scope: SidecarScope, listener: ScopeListener, entries: list[ServiceEntry], request: Request, address: str
) -> Iterator[str]:
    number = request.destination.port
    declared = [(entry, port) for entry in entries for port in scope.world.ports(entry) if port.number == number]
    if len(declared) <= _FEW or any(port.protocol in _BY_ORDER for _, port in declared):
        yield from (host for entry, _ in declared for host in entry.hosts)
        return
    ruled = tuple(scope.world.hosts_with_connection_rules())
    stand_ins = {"http": False, "tls": False}
    for entry, port in declared:
        kind = "http" if port.protocol.is_http else "tls" if port.protocol.is_tls else ""
        for host in entry.hosts:
            if not kind or _concerns(entry, port, host, request, address) or _is_ruled(host, ruled):
                yield host
            elif not stand_ins[kind] and not (kind == "tls" and entry.addresses) and listener.services(host):
                stand_ins[kind] = True
                yield host


def _concerns(entry: ServiceEntry, port: ServicePort, host: str, request: Request, address: str) -> bool:
    if matches_host(host, request.destination.host):
        return True
    return not port.protocol.is_http and bool(address) and any(_contains(each, address) for each in entry.addresses)


def _contains(text: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(text, strict=False)
    except ValueError:
        return False


def _is_ruled(host: str, ruled: Iterable[str]) -> bool:
    return any(matches_host(each, host) or matches_host(host, each) for each in ruled)
