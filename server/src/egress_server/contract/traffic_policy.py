"""Converts the settings for connections: TLS, limits, outlier detection and load balancing."""

from egress.v1 import service_entry_pb2 as pb
from egress_server.contract.common import EnumField, read_optional_seconds, write_duration
from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import ConnectionLimits, OutlierDetection, TlsOrigination
from egress_server.domain.model.traffic_policy import (
    H2UpgradePolicy,
    HttpCookie,
    LoadBalancer,
    OriginationMode,
    SimpleLoadBalancer,
    TcpKeepalive,
)
from egress_server.domain.validate import Problems

_MODE = EnumField(pb.TlsOrigination.Mode, OriginationMode, OriginationMode.SIMPLE)
_UPGRADE = EnumField(pb.ConnectionLimits.H2UpgradePolicy, H2UpgradePolicy, H2UpgradePolicy.DEFAULT)
_SIMPLE = EnumField(pb.LoadBalancer.Simple, SimpleLoadBalancer)
_HTTP_PORT = 80


def read_tls(message: pb.TlsOrigination, problems: Problems) -> TlsOrigination:
    """TLS origination with its server name in normal form. Only enums are checked."""
    return TlsOrigination(
        port=message.port or _HTTP_PORT,
        sni=normal_host(message.sni),
        insecure_skip_verify=message.insecure_skip_verify,
        mode=_MODE.read(message.mode, problems.at("mode")),
        credential_name=message.credential_name,
        client_certificate=message.client_certificate,
        private_key=message.private_key,
        ca_certificates=message.ca_certificates,
        subject_alt_names=tuple(message.subject_alt_names),
        match_labels=dict(message.match_labels),
    )


def write_tls(tls: TlsOrigination | None) -> pb.TlsOrigination | None:
    """TLS origination; None if there is none."""
    if tls is None:
        return None
    return pb.TlsOrigination(
        port=tls.port,
        sni=tls.sni,
        insecure_skip_verify=tls.insecure_skip_verify,
        mode=_MODE.write(tls.mode),
        credential_name=tls.credential_name,
        client_certificate=tls.client_certificate,
        private_key=tls.private_key,
        ca_certificates=tls.ca_certificates,
        subject_alt_names=tls.subject_alt_names,
        match_labels=tls.match_labels,
    )


def read_limits(message: pb.ConnectionLimits, problems: Problems) -> ConnectionLimits:
    """Limits. Only enums are checked."""
    return ConnectionLimits(
        max_connections=message.max_connections,
        connect_timeout=read_optional_seconds(message, "connect_timeout"),
        max_pending_requests=message.max_pending_requests,
        max_requests_per_connection=message.max_requests_per_connection,
        idle_timeout=read_optional_seconds(message, "idle_timeout"),
        max_connection_duration=read_optional_seconds(message, "max_connection_duration"),
        tcp_keepalive=_read_keepalive(message.tcp_keepalive) if message.HasField("tcp_keepalive") else None,
        http_idle_timeout=read_optional_seconds(message, "http_idle_timeout"),
        max_requests=message.max_requests,
        max_retries=message.max_retries,
        max_concurrent_streams=message.max_concurrent_streams,
        h2_upgrade_policy=_UPGRADE.read(message.h2_upgrade_policy, problems.at("h2_upgrade_policy")),
    )


def write_limits(limits: ConnectionLimits | None) -> pb.ConnectionLimits | None:
    """Limits; None if there are none."""
    if limits is None:
        return None
    return pb.ConnectionLimits(
        max_connections=limits.max_connections,
        connect_timeout=write_duration(limits.connect_timeout),
        max_pending_requests=limits.max_pending_requests,
        max_requests_per_connection=limits.max_requests_per_connection,
        idle_timeout=write_duration(limits.idle_timeout),
        max_connection_duration=write_duration(limits.max_connection_duration),
        tcp_keepalive=_write_keepalive(limits.tcp_keepalive),
        http_idle_timeout=write_duration(limits.http_idle_timeout),
        max_requests=limits.max_requests,
        max_retries=limits.max_retries,
        max_concurrent_streams=limits.max_concurrent_streams,
        h2_upgrade_policy=_UPGRADE.write(limits.h2_upgrade_policy),
    )


def _read_keepalive(message: pb.TcpKeepalive) -> TcpKeepalive:
    return TcpKeepalive(
        read_optional_seconds(message, "time"), read_optional_seconds(message, "interval"), message.probes
    )


def _write_keepalive(keepalive: TcpKeepalive | None) -> pb.TcpKeepalive | None:
    if keepalive is None:
        return None
    return pb.TcpKeepalive(
        time=write_duration(keepalive.time), interval=write_duration(keepalive.interval), probes=keepalive.probes
    )


def read_outliers(message: pb.OutlierDetection) -> OutlierDetection:
    """Outlier detection."""
    return OutlierDetection(
        consecutive_5xx_errors=message.consecutive_5xx_errors,
        interval=read_optional_seconds(message, "interval"),
        base_ejection_time=read_optional_seconds(message, "base_ejection_time"),
        max_ejection_percent=message.max_ejection_percent,
        consecutive_gateway_errors=message.consecutive_gateway_errors,
        consecutive_local_origin_failures=message.consecutive_local_origin_failures,
        min_health_percent=message.min_health_percent,
    )


def write_outliers(detection: OutlierDetection | None) -> pb.OutlierDetection | None:
    """Outlier detection; None if there is none."""
    if detection is None:
        return None
    return pb.OutlierDetection(
        consecutive_5xx_errors=detection.consecutive_5xx_errors,
        interval=write_duration(detection.interval),
        base_ejection_time=write_duration(detection.base_ejection_time),
        max_ejection_percent=detection.max_ejection_percent,
        consecutive_gateway_errors=detection.consecutive_gateway_errors,
        consecutive_local_origin_failures=detection.consecutive_local_origin_failures,
        min_health_percent=detection.min_health_percent,
    )


def read_balancer(message: pb.LoadBalancer, problems: Problems) -> LoadBalancer:
    """Load balancing. Only enums are checked."""
    cookie = message.http_cookie
    return LoadBalancer(
        simple=_SIMPLE.read(message.simple, problems.at("simple")) if message.simple else None,
        http_header_name=message.http_header_name,
        http_cookie=(
            HttpCookie(cookie.name, cookie.path, read_optional_seconds(cookie, "ttl"))
            if message.HasField("http_cookie")
            else None
        ),
        use_source_ip=message.use_source_ip,
        http_query_parameter_name=message.http_query_parameter_name,
    )


def write_balancer(balancer: LoadBalancer | None) -> pb.LoadBalancer | None:
    """Load balancing; None if Istio's default applies."""
    if balancer is None:
        return None
    if balancer.simple:
        return pb.LoadBalancer(simple=_SIMPLE.write(balancer.simple))
    if cookie := balancer.http_cookie:
        written = pb.HttpCookie(name=cookie.name, path=cookie.path, ttl=write_duration(cookie.ttl))
        return pb.LoadBalancer(http_cookie=written)
    if balancer.use_source_ip:
        return pb.LoadBalancer(use_source_ip=True)
    if balancer.http_query_parameter_name:
        return pb.LoadBalancer(http_query_parameter_name=balancer.http_query_parameter_name)
    return pb.LoadBalancer(http_header_name=balancer.http_header_name)
