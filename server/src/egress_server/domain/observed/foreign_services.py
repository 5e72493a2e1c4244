"""What an inventory holds, in the form in which it stands beside our own: named as objects, hosts in full."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from egress_server.domain.model.names import object_name, parse_name
from egress_server.domain.model.resources import Location, Resolution, ServiceEntry
from egress_server.domain.observed.inventory import ForeignVirtualService, Inventory, KnownService

CLUSTER_DOMAIN = "cluster.local"
_OLDEST = datetime.min.replace(tzinfo=UTC)
_SERVICE, _ENTRY = "Service", "ServiceEntry"


@dataclass(frozen=True, slots=True)
class ForeignService:
    """A Service, or an entry of others, on a cluster, as an entry of ours would be. `resource` is what a resource of
    ours for the same object would be called; empty for a Service."""

    cluster: str
    entry: ServiceEntry
    born: datetime
    owner: str = ""
    resource: str = ""


def is_service(entry: ServiceEntry) -> bool:
    """Whether it stands for a Service of the cluster."""
    return entry.name.startswith(f"{_SERVICE}/")


def foreign_services(inventory: Inventory) -> Iterator[ForeignService]:
    """The Services, then the entries of others."""
    for service in inventory.services:
        yield ForeignService(inventory.cluster, _service(service), service.create_time or _OLDEST)
    for foreign in inventory.entries:
        name = foreign.entry.name
        parsed = parse_name(name)
        entry = replace(foreign.entry, name=object_name(_ENTRY, parsed.namespace, parsed.id))
        yield ForeignService(inventory.cluster, entry, foreign.create_time, foreign.owner, name)


def virtual_services(inventory: Inventory) -> Iterator[ForeignVirtualService]:
    """The VirtualServices of others that sidecars heed, the oldest first."""
    for vs in sorted(inventory.virtual_services, key=lambda vs: (vs.create_time, vs.name, vs.namespace)):
        if vs.mesh:
            yield replace(vs, hosts=tuple(_in_full(host, vs.namespace) for host in vs.hosts))


def _service(service: KnownService) -> ServiceEntry:
    """A Service as an entry. One without an address listens only where its pods are, but for HTTP, which is told apart
    by host."""
    return ServiceEntry(
        name=object_name(_SERVICE, service.namespace, service.name),
        hosts=(service.host,),
        ports=tuple(port for port in service.ports if service.addresses or port.protocol.is_http),
        resolution=Resolution.STATIC,
        location=Location.MESH_INTERNAL,
        addresses=service.addresses,
        export_to=service.export_to,
    )


def _in_full(host: str, namespace: str) -> str:
    """A host without a dot is a Service beside the object that names it."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"
