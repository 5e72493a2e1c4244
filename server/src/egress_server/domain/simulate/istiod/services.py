"""The services of the mesh, as istiod converts them from ServiceEntries and Kubernetes Services
(serviceregistry/serviceentry/conversion.go, serviceregistry/kube/conversion.go)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address, ip_network

from egress_server.domain.desired.effective import Effective
from egress_server.domain.istio.merging import MergeKey, merge_key
from egress_server.domain.model.names import is_resource, parse_name
from egress_server.domain.model.resources import Resolution, ServiceEntry, ServicePort
from egress_server.domain.observed.foreign_services import is_service

ANY, OWN, NONE = "*", ".", "~"
"""Istio's exportTo: all namespaces, the object's own, and none."""


@dataclass(frozen=True, slots=True)
class MeshService:
    """One host of an entry at one of its addresses, which may be a range and is empty if it has none; `addresses` are
    all that a Kubernetes Service has. `host` is as written, which matters if it is not in lower case.

    `endpoint_addresses` are those of a headless Service or of workloads that a selector selects, None if unknown.
    `target` is that of an ExternalName Service.
    """

    host: str
    entry: ServiceEntry
    ports: tuple[ServicePort, ...]
    key: MergeKey
    order: tuple[datetime, str, str]
    export_to: frozenset[str]
    address: str = ""
    addresses: tuple[str, ...] = ()
    headless: bool = False
    endpoint_addresses: tuple[str, ...] | None = None
    target: str = ""

    @property
    def namespace(self) -> str:
        """The namespace that it belongs to."""
        return self.key.namespace

    @property
    def kubernetes(self) -> bool:
        """Whether it is a Kubernetes Service."""
        return self.key.kubernetes

    @property
    def resolution(self) -> Resolution:
        """How its endpoints are found; that of a headless Service is NONE."""
        return self.entry.resolution

    @property
    def is_dynamic(self) -> bool:
        """Whether the sidecar resolves the name that the client asks for."""
        return self.resolution is Resolution.DYNAMIC_DNS and self.host.startswith("*")

    def port(self, number: int) -> ServicePort | None:
        """The port of this number."""
        return next((port for port in self.ports if port.number == number), None)

    def with_ports(self, ports: tuple[ServicePort, ...]) -> "MeshService":
        """The service with other ports."""
        return replace(self, ports=ports)

    def visible_to(self, namespace: str) -> bool:
        """Whether it is exported to a namespace."""
        if ANY in self.export_to:
            return True
        if NONE in self.export_to:
            return False
        return (OWN in self.export_to and self.namespace == namespace) or namespace in self.export_to


def services_of(effective: Effective, entry: ServiceEntry) -> Iterator[MeshService]:
    """The services that an entry or a Kubernetes Service becomes."""
    if entry.namespace in effective.foreign.ignored_namespaces:
        return
    created = effective.create_time(entry.name).replace(microsecond=0)
    if is_service(entry):
        yield _kubernetes_service(effective, entry, created)
        return
    known = effective.foreign.foreign_entries.get(entry.name)
    selected = _selected(effective, entry)
    addresses = tuple(_normal(entry.addresses))
    if entry.addresses and not addresses:
        return
    for host in known.entry.hosts if known else entry.hosts:
        own = addresses or _allocated(effective, entry, host) or ("",)
        for address in own:
            yield MeshService(
                host=host,
                entry=entry,
                ports=entry.ports,
                key=merge_key(entry, known.labels if known else None),
                order=(created, host, entry.namespace),
                export_to=_export_to(effective, entry),
                address=address,
                endpoint_addresses=selected,
            )


def _kubernetes_service(effective: Effective, entry: ServiceEntry, created: datetime) -> MeshService:
    host = entry.hosts[0]
    known = effective.foreign.known_services.get(host)
    addresses = _one_family(known.addresses if known else entry.addresses)
    headless = not addresses and not (known and known.external_name)
    if headless:
        entry = replace(entry, resolution=Resolution.NONE)
    return MeshService(
        host=host,
        entry=entry,
        ports=known.ports if known else entry.ports,
        key=merge_key(entry),
        order=(created, entry.name.rpartition("/")[2], entry.namespace),
        export_to=_export_to(effective, entry),
        address=addresses[0] if addresses else "",
        addresses=addresses,
        headless=headless,
        endpoint_addresses=known.endpoint_addresses if known else None,
        target=known.external_name if known else "",
    )


def _export_to(effective: Effective, entry: ServiceEntry) -> frozenset[str]:
    """Its exportTo or MeshConfig's default, as serviceEntryVisibility restricts it. Managed entries say it always."""
    mesh = effective.foreign.mesh
    default = () if is_resource(entry.name) else mesh.default_service_export_to
    export_to = frozenset(entry.export_to or default or (ANY,))
    if is_service(entry) or export_to == {NONE}:
        return export_to
    if entry.namespace in mesh.hidden_namespaces:
        return frozenset((NONE,))
    if entry.namespace in mesh.private_namespaces:
        return frozenset((OWN if export_to & {ANY, OWN, entry.namespace} else NONE,))
    return export_to


def _selected(effective: Effective, entry: ServiceEntry) -> tuple[str, ...] | None:
    """The addresses of the workloads that an entry selects, None if they are unknown."""
    foreign = effective.foreign
    if not entry.workload_selector:
        return ()
    if known := foreign.foreign_entries.get(entry.name):
        return known.selected_addresses
    found = (each.addresses for each in foreign.selected if (each.namespace, each.name) == _object(entry))
    return next(found, None)


def _object(entry: ServiceEntry) -> tuple[str, str]:
    """The namespace and name of the entry's object."""
    name = parse_name(entry.name).id if is_resource(entry.name) else entry.name.rpartition("/")[2]
    return entry.namespace, name


def _allocated(effective: Effective, entry: ServiceEntry, host: str) -> tuple[str, ...]:
    """The address that istiod has allocated to a host without any, which sidecars use if they answer DNS queries."""
    foreign = effective.foreign
    if not (foreign.mesh.dns_capture and foreign.mesh.auto_allocate):
        return ()
    found = (
        each.address
        for each in foreign.allocated
        if each.host == host and (each.namespace, each.name) == _object(entry)
    )
    return _one_family(tuple(found))[:1]


def _one_family(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Sidecars use one address family, which is IPv4 wherever both exist."""
    return tuple(address for address in addresses if ":" not in address) or addresses


def _normal(addresses: tuple[str, ...]) -> Iterator[str]:
    """Single addresses and ranges. A range of one address is that address."""
    for text in addresses:
        try:
            if "/" not in text:
                yield str(ip_address(text))
                continue
            network = ip_network(text, strict=False)
        except ValueError:
            continue
        yield text.partition("/")[0] if network.prefixlen == network.max_prefixlen else text
