"""Converts service entries and their traffic settings.

Unset messages stay unset: an empty Retries disables retries.
"""

from egress.v1 import service_entry_pb2 as pb
from egress_server.contract.common import (
    EnumField,
    read_headers,
    read_optional_seconds,
    read_selector,
    write_duration,
    write_headers,
    write_selector,
    write_time,
)
from egress_server.domain.model.changes import Versioned, make_etag
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import (
    ConnectionLimits,
    Endpoint,
    Location,
    OutlierDetection,
    Protocol,
    Resolution,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.validate import Problems

_RESOLUTION = EnumField(pb.ServiceEntry.Resolution, Resolution, Resolution.NONE)
_LOCATION = EnumField(pb.ServiceEntry.Location, Location, Location.MESH_EXTERNAL)
_PROTOCOL = EnumField(pb.ServicePort.Protocol, Protocol, Protocol.DETECTED)
_HTTP_PORT = 80


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
        traffic=read_traffic(message.traffic) if message.HasField("traffic") else TrafficSettings(),
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


def read_traffic(message: pb.TrafficSettings) -> TrafficSettings:
    """The settings with hosts in lower case."""
    return TrafficSettings(
        timeout=read_optional_seconds(message, "timeout"),
        retries=_read_retries(message.retries) if message.HasField("retries") else None,
        routes=tuple(_read_route(route) for route in message.routes),
        tls_origination=_read_tls(message.tls_origination) if message.HasField("tls_origination") else None,
        connection_limits=_read_limits(message.connection_limits) if message.HasField("connection_limits") else None,
        outlier_detection=_read_outliers(message.outlier_detection) if message.HasField("outlier_detection") else None,
    )


def write_traffic(settings: TrafficSettings) -> pb.TrafficSettings | None:
    """The settings; None if nothing is set."""
    if settings == TrafficSettings():
        return None
    return pb.TrafficSettings(
        timeout=write_duration(settings.timeout),
        retries=_write_retries(settings.retries),
        routes=[_write_route(route) for route in settings.routes],
        tls_origination=_write_tls(settings.tls_origination),
        connection_limits=_write_limits(settings.connection_limits),
        outlier_detection=_write_outliers(settings.outlier_detection),
    )


def _read_retries(message: pb.Retries) -> Retries:
    return Retries(message.attempts, read_optional_seconds(message, "per_try_timeout"), tuple(message.retry_on))


def _write_retries(retries: Retries | None) -> pb.Retries | None:
    if retries is None:
        return None
    return pb.Retries(
        attempts=retries.attempts,
        per_try_timeout=write_duration(retries.per_try_timeout),
        retry_on=retries.retry_on,
    )


def _read_route(message: pb.Route) -> Route:
    destinations = (WeightedDestination(normal_host(d.host), d.port, d.weight) for d in message.destinations)
    return Route(tuple(destinations), read_headers(message.match_headers))


def _write_route(route: Route) -> pb.Route:
    return pb.Route(
        match_headers=write_headers(route.match_headers),
        destinations=[pb.WeightedDestination(host=d.host, port=d.port, weight=d.weight) for d in route.destinations],
    )


def _read_tls(message: pb.TlsOrigination) -> TlsOrigination:
    return TlsOrigination(message.port or _HTTP_PORT, normal_host(message.sni), message.insecure_skip_verify)


def _write_tls(tls: TlsOrigination | None) -> pb.TlsOrigination | None:
    if tls is None:
        return None
    return pb.TlsOrigination(port=tls.port, sni=tls.sni, insecure_skip_verify=tls.insecure_skip_verify)


def _read_limits(message: pb.ConnectionLimits) -> ConnectionLimits:
    return ConnectionLimits(
        max_connections=message.max_connections,
        connect_timeout=read_optional_seconds(message, "connect_timeout"),
        max_pending_requests=message.max_pending_requests,
        max_requests_per_connection=message.max_requests_per_connection,
    )


def _write_limits(limits: ConnectionLimits | None) -> pb.ConnectionLimits | None:
    if limits is None:
        return None
    return pb.ConnectionLimits(
        max_connections=limits.max_connections,
        connect_timeout=write_duration(limits.connect_timeout),
        max_pending_requests=limits.max_pending_requests,
        max_requests_per_connection=limits.max_requests_per_connection,
    )


def _read_outliers(message: pb.OutlierDetection) -> OutlierDetection:
    return OutlierDetection(
        consecutive_5xx_errors=message.consecutive_5xx_errors,
        interval=read_optional_seconds(message, "interval"),
        base_ejection_time=read_optional_seconds(message, "base_ejection_time"),
        max_ejection_percent=message.max_ejection_percent,
    )


def _write_outliers(detection: OutlierDetection | None) -> pb.OutlierDetection | None:
    if detection is None:
        return None
    return pb.OutlierDetection(
        consecutive_5xx_errors=detection.consecutive_5xx_errors,
        interval=write_duration(detection.interval),
        base_ejection_time=write_duration(detection.base_ejection_time),
        max_ejection_percent=detection.max_ejection_percent,
    )
