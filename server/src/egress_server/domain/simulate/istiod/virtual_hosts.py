"""Which virtual host of the sidecar's routes gets an HTTP request (httproute.go and route/route.go in Istio's
pilot/pkg/networking/core)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from egress_server.domain.istio.virtual_service import HttpRule, RequestMatch
from egress_server.domain.model.resources import Protocol
from egress_server.domain.simulate.istiod.hosts import is_subset, is_wildcard, most_specific, overlaps
from egress_server.domain.simulate.istiod.requests import Request, source_matches
from egress_server.domain.simulate.istiod.scope import ScopeListener, SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.virtual_services import VirtualService, unconditional
from egress_server.domain.simulate.istiod.world import ALWAYS_ROUTED

Route = tuple[HttpRule, RequestMatch | None]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """The virtual host with the domain `domain`: of a `service`, of a host of a VirtualService that no service
    registers on the port, or of both. `routes` are its rules with one condition each."""

    domain: str
    service: MeshService | None = None
    virtual_service: VirtualService | None = None
    routes: tuple[Route, ...] = ()


def find_virtual_host(scope: SidecarScope, request: Request, alone: MeshService | None) -> VirtualHost | None:
    """The virtual host of the closest domain; None if that of unregistered hosts. With `alone`, the one that belongs to
    this service whatever the Host header says."""
    listener = scope.listener_for_routes(request.destination.port)
    if listener is None:
        return None
    name = alone.host if alone else _name(request.authority)
    finder = _Finder(scope, listener, request, name)
    found = {each.domain: each for each in reversed(list(finder.all()))}
    closest = most_specific(name, found)
    return found[closest] if closest is not None else None


class _Finder:
    """Finds the virtual hosts that match a name, those of VirtualServices first."""

    def __init__(self, scope: SidecarScope, listener: ScopeListener, request: Request, name: str) -> None:
        self._scope, self._listener, self._request, self.name = scope, listener, request, name
        self._port = request.destination.port
        self._services: dict[str, MeshService] = {}

    def all(self) -> Iterator[VirtualHost]:
        """All virtual hosts with a domain that matches, in istiod's order: of two for one domain the first counts."""
        hosts = [host for host in self._candidates() if self._service(host)]
        taken: set[str] = set()
        for vs in self._virtual_services(hosts):
            routes = tuple(self._routes(vs))
            if not routes and vs.known:
                continue
            names, services = self._parts(vs, hosts)
            serving = [service for service in services if self._is_http(service)]
            if not serving and self._port != ALWAYS_ROUTED:
                continue
            for host in names:
                if self._matches(host):
                    yield VirtualHost(host, None, vs, routes)
            for service in serving:
                taken.add(service.host.lower())
                yield from (VirtualHost(domain, service, vs, routes) for domain in self._domains(service))
        for host in hosts:
            alone = self._service(host)
            if alone and host not in taken and not alone.target and self._is_http(alone):
                yield from (VirtualHost(domain, alone) for domain in self._domains(alone))

    def _candidates(self) -> list[str]:
        """Hosts of services that may have a matching domain."""
        world = self._scope.world
        wildcards = [host for host in world.wildcards if is_subset(self.name, host)]
        target = world.concrete(self.name)
        headless = [parent for parent in _parents(self.name) if self._is_headless(parent)]
        return list(dict.fromkeys((self.name, *target, *wildcards, *headless, *self._at_address())))

    def _is_headless(self, host: str) -> bool:
        service = self._service(host)
        return bool(service and service.headless)

    def _at_address(self) -> Iterator[str]:
        """Hosts of services whose address is the name that is asked for."""
        if not _is_address(self.name):
            return
        for entry in self._scope.world.on_port(self._port):
            for host in entry.hosts:
                service = self._service(host)
                if service and self.name in (service.addresses or (service.address,)):
                    yield host

    def _service(self, host: str) -> MeshService | None:
        """The service whose port the virtual host of a host is for: the last one that declares the port."""
        if host not in self._services:
            found = [
                service
                for spelled in self._scope.world.spellings(host)
                for service in self._listener.services(spelled)
                if service.port(self._port)
            ]
            if not found:
                return None
            self._services[host] = sorted(found, key=self._listener.rank)[-1]
        return self._services[host]

    def _virtual_services(self, hosts: Iterable[str]) -> list[VirtualService]:
        """Those that may have a virtual host for the name, in istiod's order."""
        found = self._scope.world.virtual_services((self.name, *hosts), [host for host in hosts if is_wildcard(host)])
        concerned = [
            vs
            for vs in found
            if any(is_subset(self.name, host) or any(overlaps(host, each) for each in hosts) for host in vs.spec.hosts)
        ]
        return [
            vs
            for vs in self._listener.virtual_services(concerned)
            if self._port == ALWAYS_ROUTED or any(self._is_declared(host) for host in vs.spec.hosts)
        ]

    def _is_declared(self, host: str) -> bool:
        """Whether some service declares the port for a host of a VirtualService."""
        if self._service(host):
            return True
        if is_wildcard(host):
            entries = self._scope.world.on_port(self._port)
            return any(overlaps(host, each) and self._service(each) for entry in entries for each in entry.hosts)
        return any(is_subset(host, each) and self._service(each) for each in self._scope.world.wildcards)

    def _parts(self, vs: VirtualService, hosts: Iterable[str]) -> tuple[list[str], list[MeshService]]:
        """The hosts of a VirtualService that no service registers on the port, and the services that it routes."""
        names: list[str] = []
        services: list[MeshService] = []
        for host in vs.spec.hosts:
            if not is_wildcard(host):
                registered = self._service(host)
                if registered:
                    services.append(registered)
                else:
                    names.append(host)
        for host in filter(is_wildcard, vs.spec.hosts):
            matching = [service for each in hosts if overlaps(host, each) and (service := self._service(each))]
            services += [service for service in matching if self._routed_by(service) == vs.id]
            if not matching and not self._is_declared(host):
                names.append(host)
            elif not services and (other := self._other(host, vs)):
                services.append(other)
        return names, services

    def _other(self, host: str, vs: VirtualService) -> MeshService | None:
        """Some HTTP service besides those asked for that a wildcard host of a VirtualService routes."""
        for entry in self._scope.world.on_port(self._port):
            for each in entry.hosts:
                service = self._service(each) if overlaps(host, each) else None
                if service and self._is_http(service) and self._routed_by(service) == vs.id:
                    return service
        return None

    def _routed_by(self, service: MeshService) -> str:
        """The VirtualService with the most specific host for a service."""
        by_host: dict[str, str] = {}
        world = self._scope.world
        found = world.virtual_services((service.host,), (service.host,) if is_wildcard(service.host) else ())
        for vs in self._listener.virtual_services(found):
            for host in vs.spec.hosts:
                by_host.setdefault(host, vs.id)
        closest = most_specific(service.host, by_host)
        return by_host[closest] if closest is not None else ""

    def _routes(self, vs: VirtualService) -> Iterator[Route]:
        """The rules for this workload and port, up to one that every request satisfies."""
        for rule in vs.spec.http:
            if not rule.match:
                yield rule, None
                return
            for match in rule.match:
                if source_matches(match, self._request, self._port):
                    yield rule, match
                    if unconditional(match):
                        return

    def _is_http(self, service: MeshService) -> bool:
        port = service.port(self._port)
        return bool(port and (port.protocol.is_http or port.protocol is Protocol.DETECTED))

    def _domains(self, service: MeshService) -> Iterator[str]:
        """The domains of a service that match the name."""
        host = service.host.lower()
        names = [host, *self._scope.world.aliases(service.host)]
        if service.headless:
            names += [f"*.{name}" for name in names]
        addresses = service.addresses or ((service.address,) if service.address else ())
        for name in (*names, *addresses):
            if self._matches(name):
                yield name

    def _matches(self, domain: str) -> bool:
        return domain == self.name or (is_wildcard(domain) and is_subset(self.name, domain))


def _name(authority: str) -> str:
    """The host in a Host header, without port, brackets and the dot of a fully qualified name."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    host = authority if authority.count(":") > 1 else authority.partition(":")[0]
    return host.lower().rstrip(".")


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[i:]) for i in range(1, len(labels))]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
