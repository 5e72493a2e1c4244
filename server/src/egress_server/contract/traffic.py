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
from egress_server.contract.traffic_policy import (
    read_balancer,
    read_limits,
    read_outliers,
    read_tls,
    write_balancer,
    write_limits,
    write_outliers,
    write_tls,
)
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import (
    HeaderOperations,
    Retries,
    Route,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.validate import Problems


def read_traffic(message: pb.TrafficSettings, problems: Problems) -> TrafficSettings:
    """The settings with hosts in their normal form. Only enums are checked."""
    return TrafficSettings(
        timeout=read_optional_seconds(message, "timeout"),
        retries=_read_retries(message.retries) if message.HasField("retries") else None,
        routes=tuple(_read_route(route) for route in message.routes),
        tls_origination=read_tls(message.tls_origination, problems.at("tls_origination"))
        if message.HasField("tls_origination")
        else None,
        connection_limits=read_limits(message.connection_limits, problems.at("connection_limits"))
        if message.HasField("connection_limits")
        else None,
        outlier_detection=read_outliers(message.outlier_detection) if message.HasField("outlier_detection") else None,
        load_balancer=read_balancer(message.load_balancer, problems.at("load_balancer"))
        if message.HasField("load_balancer")
        else None,
    )


def write_traffic(settings: TrafficSettings) -> pb.TrafficSettings | None:
    """The settings; None if nothing is set."""
    if settings == TrafficSettings():
        return None
    return pb.TrafficSettings(
        timeout=write_duration(settings.timeout),
        retries=_write_retries(settings.retries),
        routes=[_write_route(route) for route in settings.routes],
        tls_origination=write_tls(settings.tls_origination),
        connection_limits=write_limits(settings.connection_limits),
        outlier_detection=write_outliers(settings.outlier_detection),
        load_balancer=write_balancer(settings.load_balancer),
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
