"""ServiceEntry to the domain and back."""

from egress.v1 import service_entry_pb2 as pb
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import Endpoint, Location, Protocol, Resolution, ServiceEntry, ServicePort
from egress_server.domain.validate import Problems
from egress_server.formats.istio_yaml import default_port_name
from egress_server.wire.convert.common import read_enum, read_selector, write_selector, write_time


def read_service_entry(message: pb.ServiceEntry, name: str, problems: Problems) -> ServiceEntry:
    """The entry as it came, with hosts in lower case; only its enums are checked here."""
    return ServiceEntry(
        name=name,
        hosts=tuple(host.lower() for host in message.hosts),
        ports=tuple(_read_port(port, problems.at("ports", i)) for i, port in enumerate(message.ports)),
        resolution=read_enum(
            pb.ServiceEntry.Resolution, message.resolution, Resolution, Resolution.NONE, problems.at("resolution")
        ),
        location=read_enum(
            pb.ServiceEntry.Location, message.location, Location, Location.MESH_EXTERNAL, problems.at("location")
        ),
        endpoints=tuple(_read_endpoint(endpoint) for endpoint in message.endpoints),
        addresses=tuple(message.addresses),
        export_to=tuple(message.export_to),
        cluster_selector=read_selector(message.cluster_selector),
    )


def write_service_entry(versioned: Versioned, epoch: str) -> pb.ServiceEntry:
    """The entry as of a revision."""
    entry = versioned.resource
    assert isinstance(entry, ServiceEntry)
    return pb.ServiceEntry(
        name=entry.name,
        hosts=entry.hosts,
        ports=[_write_port(port) for port in entry.ports],
        resolution=pb.ServiceEntry.Resolution.Value(entry.resolution.name),
        location=pb.ServiceEntry.Location.Value(entry.location.name),
        endpoints=[_write_endpoint(endpoint) for endpoint in entry.endpoints],
        addresses=entry.addresses,
        export_to=entry.export_to,
        cluster_selector=write_selector(entry.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )


def _read_port(message: pb.ServicePort, problems: Problems) -> ServicePort:
    protocol = read_enum(pb.ServicePort.Protocol, message.protocol, Protocol, None, problems.at("protocol"))
    name = message.name or default_port_name(protocol, message.number)
    return ServicePort(message.number, protocol, name, message.target_port)


def _write_port(port: ServicePort) -> pb.ServicePort:
    return pb.ServicePort(
        number=port.number,
        name=port.name,
        protocol=pb.ServicePort.Protocol.Value(port.protocol.name),
        target_port=port.target_port,
    )


def _read_endpoint(message: pb.Endpoint) -> Endpoint:
    return Endpoint(
        address=message.address.lower(),
        ports=dict(message.ports),
        labels=dict(message.labels),
        locality=message.locality,
        weight=message.weight,
    )


def _write_endpoint(endpoint: Endpoint) -> pb.Endpoint:
    return pb.Endpoint(
        address=endpoint.address,
        ports=endpoint.ports,
        labels=endpoint.labels,
        locality=endpoint.locality,
        weight=endpoint.weight,
    )
