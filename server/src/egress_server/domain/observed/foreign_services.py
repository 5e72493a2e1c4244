"""The contents of an inventory in a form that can be compared with managed resources: named as objects, with full
hosts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from egress_server.domain.istio.manifest import full_name
from egress_server.domain.model.names import object_name, parse_name
from egress_server.domain.model.resources import Location, Protocol, Resolution, ServiceEntry
from egress_server.domain.observed.foreign_config import describe_object
from egress_server.domain.observed.inventory import ForeignEntry, ForeignVirtualService, Inventory, KnownService

_OLDEST = datetime.min.replace(tzinfo=UTC)
_SERVICE, _ENTRY = "Service", "ServiceEntry"


@dataclass(frozen=True, slots=True)
class ForeignService:
    """A Service or a foreign ServiceEntry on a cluster, converted to an entry. `manager` is its last field manager;
    `resource` is the name that a managed resource for the same object would have, empty for a Service; `source` is
    the object as observed."""

    cluster: str
    entry: ServiceEntry
    create_time: datetime
    source: KnownService | ForeignEntry
    manager: str = ""
    resource: str = ""

    @property
    def description(self) -> str:
        """The object for messages."""
        return describe_object(self.entry.name, self.manager)


def is_service(entry: ServiceEntry) -> bool:
    """Whether the entry was converted from a Service of the cluster."""
    return entry.name.startswith(f"{_SERVICE}/")


def foreign_services(inventory: Inventory) -> Iterator[ForeignService]:
    """The Services, then the foreign entries, with their hosts in lower case. A Service of type ExternalName registers
    nothing: it is another name for its target."""
    for service in inventory.services:
        if service.external_name:
            continue
        yield _foreign_service(inventory, service)
    for foreign in inventory.entries:
        name = foreign.entry.name
        parsed = parse_name(name)
        hosts = tuple(dict.fromkeys(host.lower() for host in foreign.entry.hosts))
        entry = replace(foreign.entry, name=object_name(_ENTRY, parsed.namespace, parsed.id), hosts=hosts)
        yield ForeignService(inventory.cluster, entry, foreign.create_time, foreign, foreign.owner, name)


def aliases(inventory: Inventory) -> Iterator[ForeignService]:
    """The Services of type ExternalName. They register nothing, but take the host from entries that register it."""
    return (_foreign_service(inventory, service) for service in inventory.services if service.external_name)


def virtual_services(inventory: Inventory) -> Iterator[ForeignVirtualService]:
    """The foreign VirtualServices that apply to sidecars, oldest first."""
    for vs in sorted(inventory.virtual_services, key=lambda vs: (vs.create_time, vs.name, vs.namespace)):
        if vs.mesh:
            yield replace(vs, hosts=tuple(full_name(host, vs.namespace) for host in vs.hosts))


def _foreign_service(inventory: Inventory, service: KnownService) -> ForeignService:
    return ForeignService(inventory.cluster, _service(service), service.create_time or _OLDEST, service)


def _service(service: KnownService) -> ServiceEntry:
    """A Service as an entry. A port of a headless Service listens only at the addresses of its pods, unless it is HTTP,
    which is distinguished by host."""
    ports = tuple(port for port in service.ports if port.protocol is not Protocol.UDP)
    addresses = service.addresses
    if not addresses and any(port.protocol.is_http for port in ports):
        ports = tuple(port for port in ports if port.protocol.is_http)
    elif not addresses:
        addresses = service.endpoint_addresses or ()
        ports = ports if addresses else ()
    return ServiceEntry(
        name=object_name(_SERVICE, service.namespace, service.name),
        hosts=(service.host,),
        ports=ports,
        resolution=Resolution.STATIC,
        location=Location.MESH_INTERNAL,
        addresses=addresses,
        export_to=service.export_to,
    )
