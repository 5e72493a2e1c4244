"""Converts the traffic settings of service entries.

Unset messages stay unset: an empty Retries disables retries.
"""

from egress.v1 import service_entry_pb2 as pb
from egress_server.contract.common import (
    read_headers,
    read_optional_seconds,
    read_string_match,
    write_duration,
    write_headers,
    write_string_match,
)
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import (
    ConnectionLimits,
    HeaderOperations,
    OutlierDetection,
    Retries,
    Route,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)

_HTTP_PORT = 80


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
    return Retries(
        attempts=message.attempts,
        per_try_timeout=read_optional_seconds(message, "per_try_timeout"),
        retry_on=tuple(message.retry_on),
        backoff=read_optional_seconds(message, "backoff"),
        retry_remote_localities=(
            message.retry_remote_localities if message.HasField("retry_remote_localities") else None
        ),
        retry_ignore_previous_hosts=(
            message.retry_ignore_previous_hosts if message.HasField("retry_ignore_previous_hosts") else None
        ),
    )


def _write_retries(retries: Retries | None) -> pb.Retries | None:
    if retries is None:
        return None
    return pb.Retries(
        attempts=retries.attempts,
        per_try_timeout=write_duration(retries.per_try_timeout),
        retry_on=retries.retry_on,
        backoff=write_duration(retries.backoff),
        retry_remote_localities=retries.retry_remote_localities,
        retry_ignore_previous_hosts=retries.retry_ignore_previous_hosts,
    )


def _read_route(message: pb.Route) -> Route:
    destinations = (WeightedDestination(normal_host(d.host), d.port, d.weight) for d in message.destinations)
    return Route(
        destinations=tuple(destinations),
        match_headers=read_headers(message.match_headers),
        match_uri=read_string_match(message, "match_uri"),
        match_method=read_string_match(message, "match_method"),
        match_authority=read_string_match(message, "match_authority"),
        rewrite_authority=message.rewrite_authority,
        request_headers=_read_operations(message.request_headers) if message.HasField("request_headers") else None,
        response_headers=_read_operations(message.response_headers) if message.HasField("response_headers") else None,
    )


def _read_operations(message: pb.HeaderOperations) -> HeaderOperations:
    return HeaderOperations(dict(message.set), dict(message.add), tuple(message.remove))


def _write_operations(operations: HeaderOperations | None) -> pb.HeaderOperations | None:
    if operations is None:
        return None
    return pb.HeaderOperations(set=operations.set, add=operations.add, remove=operations.remove)


def _write_route(route: Route) -> pb.Route:
    return pb.Route(
        match_headers=write_headers(route.match_headers),
        destinations=[pb.WeightedDestination(host=d.host, port=d.port, weight=d.weight) for d in route.destinations],
        match_uri=write_string_match(route.match_uri),
        match_method=write_string_match(route.match_method),
        match_authority=write_string_match(route.match_authority),
        rewrite_authority=route.rewrite_authority,
        request_headers=_write_operations(route.request_headers),
        response_headers=_write_operations(route.response_headers),
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
