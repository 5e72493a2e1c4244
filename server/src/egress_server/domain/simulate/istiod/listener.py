"""The listener of the sidecar that a captured connection reaches, with its filter chains, as istiod configures it
(buildSidecarOutboundListeners in Istio's listener.go, and tls.go)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from egress_server.domain.istio.virtual_service import ConnectionRule, RouteTarget
from egress_server.domain.model.resources import Protocol, Resolution, ServicePort
from egress_server.domain.simulate.istiod.filter_chains import FilterChain
from egress_server.domain.simulate.istiod.hosts import overlaps
from egress_server.domain.simulate.istiod.relevant import relevant_services
from egress_server.domain.simulate.istiod.requests import Request, source_matches
from egress_server.domain.simulate.istiod.scope import ScopeListener, SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.upstreams import endpoints_of
from egress_server.domain.simulate.istiod.virtual_services import VirtualService

_ALONE = frozenset((Protocol.MONGO, Protocol.MYSQL))
"""Protocols that share a listener with no other: it must not wait for the client's first bytes."""
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}


@dataclass(slots=True)
class Listener:
    """The listener of a port at an address, empty for all addresses. `protocol` is DETECTED if it reads HTTP and passes
    on the rest. `services` are all whose connections it distinguishes."""

    address: str
    protocol: Protocol
    chains: list[FilterChain]
    services: list[MeshService] = field(default_factory=list)
    locked: bool = False

    @property
    def reads_http(self) -> bool:
        """Whether it inspects connections for HTTP."""
        return any(chain.is_http for chain in self.chains)

    @property
    def reads_server_names(self) -> bool:
        """Whether it inspects connections for TLS."""
        return any(chain.server_names for chain in self.chains)

    @property
    def waits_for_client(self) -> bool:
        """Whether it waits for the client's first bytes, so that connections on which the server speaks first hang."""
        return self.reads_http or self.reads_server_names

    def refuses(self, protocol: Protocol) -> bool:
        """Whether nothing is added to it for a service with this protocol."""
        return self.locked or (protocol is not self.protocol and bool({protocol, self.protocol} & _ALONE))

    def waits_because_of(self) -> MeshService | None:
        """The oldest service because of which it waits."""
        causes = [chain.service for chain in self.chains if chain.is_http or chain.server_names]
        return next((service for service in (*causes, *self.services) if service), None)


def find_listener(scope: SidecarScope, request: Request, address: str) -> Listener | None:
    """The listener for the request's port at `address` (empty if unknown); None if connections go to that of all other
    ports. One for an address takes precedence."""
    built = _Builder(scope, request, address)
    for listener in scope.listeners:
        if listener.port in {0, request.destination.port}:
            built.add(listener)
    return (built.listeners.get(address) if address else None) or built.listeners.get("")


class _Builder:
    """Builds the listeners of one port at one address and at all addresses."""

    def __init__(self, scope: SidecarScope, request: Request, address: str) -> None:
        self._scope, self._request, self._address = scope, request, address
        self._port = request.destination.port
        self.listeners: dict[str, Listener] = {}

    def add(self, egress: ScopeListener) -> None:
        """Adds the services of an egress listener; one without a port only to listeners that none with a port has
        made."""
        if egress.port and egress.binds:
            return
        if not egress.port:
            for listener in self.listeners.values():
                listener.locked = True
            if self._scope.world.assumes_http(self._port) and "" not in self.listeners:
                self.listeners[""] = Listener("", Protocol.DETECTED, [FilterChain(None, is_http=True)])
        services = relevant_services(self._scope, egress, self._request, self._address)
        for service in services:
            port = service.port(self._port)
            if service.target or port is None:
                continue
            if egress.port:
                protocol = _PROTOCOLS.get(egress.protocol.upper(), Protocol.DETECTED)
                self._add(egress, service, ServicePort(self._port, protocol, port.name), service.address)
                continue
            for address in self._addresses(service, port):
                self._add(egress, service, port, address)

    def _addresses(self, service: MeshService, port: ServicePort) -> Iterator[str]:
        """Where a service listens. One that passes connections on to the dialed address, but has known endpoints,
        listens at those."""
        passes_on = service.resolution is Resolution.NONE and not service.address
        if not passes_on or port.protocol.is_http or port.protocol is Protocol.UDP:
            yield service.address
            return
        if service.kubernetes:
            yield from service.endpoint_addresses or ()
            return
        endpoints = list(endpoints_of(self._scope, service, port))
        if not endpoints and not service.entry.workload_selector:
            yield ""
        yield from (each.address for each in endpoints if each is not None and _is_address(each.address))

    def _add(self, egress: ScopeListener, service: MeshService, port: ServicePort, address: str) -> None:
        cidrs = (address,) if "/" in address else ()
        bind = "" if port.protocol.is_http or cidrs else address
        known = self.listeners.get(bind)
        if port.protocol is Protocol.UDP or bind not in {"", self._address} or (known and known.refuses(port.protocol)):
            return
        protocol = Protocol.DETECTED if port.protocol.is_http else port.protocol
        if known is None:
            chains = list(self._chains(egress, service, port, cidrs, bind))
            self.listeners[bind] = Listener(bind, protocol, chains, [service])
            return
        known.services.append(service)
        if known.protocol is protocol is Protocol.DETECTED:
            return
        for chain in self._chains(egress, service, port, cidrs, bind):
            if not any(chain.conflicts(other) for other in known.chains):
                known.chains.append(chain)
        if protocol is Protocol.DETECTED:
            known.protocol = protocol

    def _chains(
        self, egress: ScopeListener, service: MeshService, port: ServicePort, cidrs: tuple[str, ...], bind: str
    ) -> Iterator[FilterChain]:
        if not port.protocol.is_http:
            yield from self._connection_chains(egress, service, port, cidrs, bind)
        if port.protocol.is_http or port.protocol is Protocol.DETECTED:
            alone = service if port.protocol is Protocol.DETECTED and bind else None
            yield FilterChain(service, is_http=True, routes_of=alone)

    def _connection_chains(
        self, egress: ScopeListener, service: MeshService, port: ServicePort, cidrs: tuple[str, ...], bind: str
    ) -> Iterator[FilterChain]:
        applying = [
            vs
            for vs in egress.virtual_services(self._scope.world.virtual_services((service.host,)))
            if any(overlaps(host, service.host) for host in vs.spec.hosts)
        ]
        if port.protocol.is_tls:
            yield from self._tls_chains(service, port, cidrs, bind, applying)
        else:
            yield from self._tcp_chains(service, port, cidrs, applying)

    def _tls_chains(
        self,
        service: MeshService,
        port: ServicePort,
        cidrs: tuple[str, ...],
        bind: str,
        virtual_services: Sequence[VirtualService],
    ) -> Iterator[FilterChain]:
        handled: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        for vs, rule in _rules(virtual_services, tls=True):
            for match in rule.match:
                if not source_matches(match, self._request, port.number):
                    continue
                # As in istiod, the subnets of a match hold for those that follow as well.
                cidrs = match.destination_subnets or cidrs
                key = match.sni_hosts, match.destination_subnets
                if key not in handled:
                    yield FilterChain(service, match.sni_hosts, cidrs, self._targets(rule, port), vs)
                handled.add(key)
        if handled:
            return
        by_name = bool(cidrs) or not bind or service.is_dynamic
        names = (service.host, *self._aliases(service)) if by_name else ()
        yield FilterChain(service, names, cidrs, (self._own_target(service, port),))

    def _tcp_chains(
        self,
        service: MeshService,
        port: ServicePort,
        cidrs: tuple[str, ...],
        virtual_services: Sequence[VirtualService],
    ) -> Iterator[FilterChain]:
        for vs, rule in _rules(virtual_services, tls=False):
            subnets: tuple[str, ...] = ()
            matches = [match for match in rule.match if source_matches(match, self._request, port.number)]
            if not rule.match or any(not match.destination_subnets for match in matches):
                before = next((i for i, match in enumerate(matches) if not match.destination_subnets), 0)
                del matches[before:]
                yield FilterChain(service, (), cidrs, self._targets(rule, port), vs)
                return
            subnets = tuple(subnet for match in matches for subnet in match.destination_subnets)
            if subnets:
                yield FilterChain(service, (), subnets, self._targets(rule, port), vs, names_virtual_service=False)
                if sorted(subnets) == sorted(cidrs):
                    return
        yield FilterChain(service, (), cidrs, (self._own_target(service, port),))

    def _targets(self, rule: ConnectionRule, port: ServicePort) -> tuple[RouteTarget, ...]:
        """The rule's destinations with their ports: of a service with one port its own, else the listener's."""
        routes = rule.route if len(rule.route) == 1 else [target for target in rule.route if target.weight > 0]
        found = []
        for target in routes:
            service = self._scope.cluster_service(target.host)
            number = port.number
            if service and len(service.ports) == 1:
                number = service.ports[0].number
            host = service.target if service and service.target else target.host
            found.append(RouteTarget(host, target.port or number, target.subset, target.weight))
        return tuple(found)

    def _own_target(self, service: MeshService, port: ServicePort) -> RouteTarget:
        number = service.ports[0].number if len(service.ports) == 1 else port.number
        return RouteTarget(service.host, number)

    def _aliases(self, service: MeshService) -> tuple[str, ...]:
        return tuple(self._scope.world.aliases(service.host))


def _rules(virtual_services: Sequence[VirtualService], *, tls: bool) -> Iterator[tuple[VirtualService, ConnectionRule]]:
    for vs in virtual_services:
        for rule in vs.spec.tls if tls else vs.spec.tcp:
            if rule.route:
                yield vs, rule


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
