"""Converts service entries."""

from egress.v1 import service_entry_pb2 as pb
from egress_server.contract.common import EnumField, read_selector, write_selector, write_time
from egress_server.contract.traffic import read_traffic, write_traffic
from egress_server.domain.model.changes import Versioned, make_etag
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import (
    Endpoint,
    Location,
    Protocol,
    Resolution,
    ServiceEntry,
    ServicePort,
    TrafficSettings,
)
from egress_server.domain.validate import Problems

_RESOLUTION = EnumField(pb.ServiceEntry.Resolution, Resolution, Resolution.NONE)
_LOCATION = EnumField(pb.ServiceEntry.Location, Location, Location.MESH_EXTERNAL)
_PROTOCOL = EnumField(pb.ServicePort.Protocol, Protocol, Protocol.DETECTED)


def read_service_entry(message: pb.ServiceEntry, name: str, problems: Problems) -> ServiceEntry:
    """The entry with hosts in their normal form. Only enums are checked."""
    return ServiceEntry(
        name=name,
        hosts=tuple(map(normal_host, message.hosts)),
        ports=tuple(_read_port(port, problems.at("ports", i)) for i, port in enumerate(message.ports)),
        resolution=_RESOLUTION.read(message.resolution, problems.at("resolution")),
        location=_LOCATION.read(message.location, problems.at("location")),
        endpoints=tuple(_read_endpoint(endpoint) for endpoint in message.endpoints),
        addresses=tuple(address.lower() for address in message.addresses),
        export_to=tuple(message.export_to),
        cluster_selector=read_selector(message.cluster_selector),
        traffic=read_traffic(message.traffic, problems.at("traffic"))
        if message.HasField("traffic")
        else TrafficSettings(),
        workload_selector=dict(message.workload_selector),
        subject_alt_names=tuple(message.subject_alt_names),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def write_service_entry(versioned: Versioned[ServiceEntry], epoch: str) -> pb.ServiceEntry:
    """The entry at a revision."""
    entry = versioned.resource
    return pb.ServiceEntry(
        name=entry.name,
        hosts=entry.hosts,
        ports=[_write_port(port) for port in entry.ports],
        resolution=_RESOLUTION.write(entry.resolution),
        location=_LOCATION.write(entry.location),
        endpoints=[_write_endpoint(endpoint) for endpoint in entry.endpoints],
        addresses=entry.addresses,
        export_to=entry.export_to,
        cluster_selector=write_selector(entry.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
        traffic=write_traffic(entry.traffic),
        workload_selector=entry.workload_selector,
        subject_alt_names=entry.subject_alt_names,
        labels=entry.labels,
        annotations=entry.annotations,
    )


def _read_port(message: pb.ServicePort, problems: Problems) -> ServicePort:
    protocol = _PROTOCOL.read(message.protocol, problems.at("protocol"))
    return ServicePort.of(message.number, protocol, message.name, message.target_port)


def _write_port(port: ServicePort) -> pb.ServicePort:
    return pb.ServicePort(
        number=port.number,
        name=port.name,
        protocol=_PROTOCOL.write(port.protocol),
        target_port=port.target_port,
    )


def _read_endpoint(message: pb.Endpoint) -> Endpoint:
    return Endpoint(
        address=normal_host(message.address),
        ports=dict(message.ports),
        labels=dict(message.labels),
        locality=message.locality,
        weight=message.weight,
        network=message.network,
    )


def _write_endpoint(endpoint: Endpoint) -> pb.Endpoint:
    return pb.Endpoint(
        address=endpoint.address,
        ports=endpoint.ports,
        labels=endpoint.labels,
        locality=endpoint.locality,
        weight=endpoint.weight,
        network=endpoint.network,
    )
