"""What the sidecars of one namespace see: the services and VirtualServices of each egress listener, and the services
that have clusters (SidecarScope in Istio's sidecar.go and push_context.go)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.observed.inventory import ForeignSidecar
from egress_server.domain.simulate.istiod.hosts import is_subset, is_wildcard, overlaps
from egress_server.domain.simulate.istiod.services import ANY, OWN, MeshService
from egress_server.domain.simulate.istiod.virtual_services import VirtualService
from egress_server.domain.simulate.istiod.world import World

_EVERYTHING = EgressListener(("*/*",))
_EXCLUDED = "~"
_HTTP_PROXY = "HTTP_PROXY"


@dataclass(slots=True)
class _Imports:
    """The hosts that a listener imports from one namespace, or from any."""

    exact: set[str] = field(default_factory=set)
    all: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def has(self, host: str) -> bool:
        """Whether a service's host is imported."""
        return host in self.exact or any(
            is_subset(host, each) for each in self.all if is_wildcard(each) or is_wildcard(host)
        )

    def has_virtual_service(self, host: str) -> bool:
        """Whether a VirtualService's host is imported: wildcards count in either direction."""
        return host in self.exact or any(
            overlaps(host, each) for each in self.all if is_wildcard(each) or is_wildcard(host)
        )

    def excludes(self, host: str) -> bool:
        """Whether a host is excluded again."""
        return any(is_subset(host, each) for each in self.excluded)


class ScopeListener:
    """An egress listener of a Sidecar, as workloads of the namespace `client` see it."""

    def __init__(self, world: World, client: str, listener: EgressListener) -> None:
        """The listener `listener`; one that only names exact hosts sees one service per host and namespace."""
        self.port, self.protocol, self._world, self._client = listener.port, listener.protocol, world, client
        self.binds = bool(listener.bind) or listener.capture_mode == "NONE"
        self._imports: dict[str, _Imports] = {}
        self._all_exact = True
        self._services: dict[str, list[MeshService]] = {}
        for text in listener.hosts:
            self._add(text)

    def _add(self, text: str) -> None:
        namespace, separator, host = text.partition("/")
        if not separator:
            return
        excluded = namespace.startswith(_EXCLUDED)
        namespace = (namespace[1:] or ANY) if excluded else namespace
        namespace = self._client if namespace == OWN else namespace
        imports = self._imports.setdefault(namespace, _Imports())
        if excluded:
            imports.excluded.append(host)
            return
        if is_wildcard(host):
            self._all_exact = False
        else:
            imports.exact.add(host)
        if namespace == ANY:
            self._all_exact = False
        imports.all.append(host)

    @property
    def matches_port(self) -> bool:
        """Whether it only imports services with its own port."""
        return self.port != 0 and self.protocol.upper() != _HTTP_PROXY

    def services(self, host: str) -> list[MeshService]:
        """The services of exactly this host that it imports, in istiod's order: all of one namespace."""
        if host not in self._services:
            self._services[host] = self._select(host)
        return self._services[host]

    def _select(self, host: str) -> list[MeshService]:
        imported = [trimmed for s in self._candidates(host) if (trimmed := self._imported(s)) is not None]
        chosen: MeshService | None = None
        for service in imported:
            if chosen is None or self._replaces(service, chosen):
                chosen = service
        return [service for service in imported if chosen and service.namespace == chosen.namespace]

    def _replaces(self, service: MeshService, chosen: MeshService) -> bool:
        """Whether the namespace of a later service provides the host instead: the client's own does, else that of a
        Kubernetes Service."""
        if service.namespace == self._client:
            return True
        return service.kubernetes and not chosen.kubernetes and chosen.namespace != self._client

    def _candidates(self, host: str) -> list[MeshService]:
        visible = [service for service in self._world.services(host) if service.visible_to(self._client)]
        if not self._all_exact:
            return sorted(visible, key=self.rank)
        first = self._world.first_services(host)
        return [service for service in visible if first.get(service.namespace) is service]

    def rank(self, service: MeshService) -> tuple[bool, tuple[object, str, str]]:
        """Sorts services: those exported to the client by name come first."""
        return not self._all_exact and ANY in service.export_to, service.order

    def _imported(self, service: MeshService) -> MeshService | None:
        """The service as this listener imports it; None if it does not."""
        own, any_ = self._imports.get(service.namespace), self._imports.get(ANY)
        if any(each is not None and each.excludes(service.host) for each in (own, any_)):
            return None
        if not any(each is not None and each.has(service.host) for each in (own, any_)):
            return None
        return _with_port(service, self.port) if self.matches_port else service

    def imports(self, service: MeshService) -> bool:
        """Whether it imports a service that is exported to its workloads."""
        return self._imported(service) is not None

    def imports_virtual_service(self, vs: VirtualService) -> bool:
        """Whether it applies a VirtualService: some host is imported and not excluded."""
        own, any_ = self._imports.get(vs.namespace), self._imports.get(ANY)
        found = [each for each in (own, any_) if each is not None]
        return vs.visible_to(self._client) and any(
            any(each.has_virtual_service(host) for each in found) and not any(each.excludes(host) for each in found)
            for host in vs.spec.hosts
        )

    def virtual_services(self, found: Iterable[VirtualService]) -> list[VirtualService]:
        """Those of `found` that it applies, in istiod's order: what the client's own namespace keeps to itself, what is
        exported to the client by name, what is exported to all, each oldest first."""
        imported = [vs for vs in found if self.imports_virtual_service(vs)]
        return sorted(imported, key=lambda vs: (vs.rank(self._client), vs.order))


def _with_port(service: MeshService, number: int) -> MeshService | None:
    port = service.port(number)
    if port is None:
        return None
    return service if len(service.ports) == 1 else service.with_ports((port,))


class SidecarScope:
    """What workloads of the namespace `client` see, given the Sidecar that applies to them, if any."""

    def __init__(self, world: World, client: str, sidecar: ForeignSidecar | None) -> None:
        """The scope of the listeners of `sidecar`; without any, everything is visible."""
        listeners = sidecar.listeners if sidecar else ()
        if sidecar and not listeners and sidecar.egress_hosts:
            listeners = (EgressListener(sidecar.egress_hosts),)
        self.world, self.client, self.sidecar = world, client, sidecar
        self.listeners = [ScopeListener(world, client, each) for each in listeners or (_EVERYTHING,)]
        self._clusters: dict[str, MeshService | None] = {}

    def listener_for_routes(self, port: int) -> ScopeListener | None:
        """The egress listener whose services have the routes of a port: the first with this port or without any."""
        return next((each for each in self.listeners if each.port in {0, port}), None)

    def cluster_service(self, host: str) -> MeshService | None:
        """The service that has the clusters of a host: those of the listeners merged, then the destinations of
        VirtualServices; None if it has no clusters."""
        if host not in self._clusters:
            merged: MeshService | None = None
            for listener in self.listeners:
                for service in (*listener.services(host), *self._destinations(listener, host)):
                    merged = _merged(merged, service)
            self._clusters[host] = merged
        return self._clusters[host]

    def _destinations(self, listener: ScopeListener, host: str) -> Iterator[MeshService]:
        """The services of a host that are imported because VirtualServices lead to them."""
        for vs in listener.virtual_services(self.world.virtual_services_to(host)):
            ports = vs.ports_to(host, self.client)
            if not ports:
                continue
            service = self._inferred(host)
            if service is None:
                continue
            if listener.matches_port:
                trimmed = _with_port(service, listener.port)
            elif 0 in ports:
                trimmed = service
            else:
                kept = tuple(port for port in service.ports if port.number in ports)
                trimmed = service if len(kept) == len(service.ports) else service.with_ports(kept) if kept else None
            if trimmed is not None:
                yield trimmed

    def _inferred(self, host: str) -> MeshService | None:
        """The service of the client's namespace, whether it is exported or not, else a Kubernetes Service, else the
        oldest."""
        first = self.world.first_services(host)
        if self.client in first:
            return first[self.client]
        visible = [service for service in first.values() if service.visible_to(self.client)]
        return min(visible, key=lambda service: (not service.kubernetes, service.order), default=None)


def _merged(existing: MeshService | None, service: MeshService) -> MeshService:
    """What a further service of a host changes (appendSidecarServices in Istio's sidecar.go)."""
    if existing is None:
        return service
    if existing.kubernetes != service.kubernetes:
        return service if service.kubernetes else existing
    if existing.key != service.key:
        return existing
    known = {port.number for port in existing.ports}
    added = tuple(port for port in service.ports if port.number not in known)
    return existing.with_ports((*existing.ports, *added)) if added else existing
