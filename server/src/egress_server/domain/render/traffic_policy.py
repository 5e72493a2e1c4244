"""The settings of an entry as the traffic policy of Istio's DestinationRule.

TLS is originated on one port only (portLevelSettings): a rule for the whole host would wrap the TLS that workloads
already use on 443 in TLS again. Port-level settings replace those of the host entirely, so the others are repeated
there.
"""

from typing import Any

from egress_server.domain.model.objects import duration
from egress_server.domain.model.resources import ConnectionLimits, OutlierDetection, ServiceEntry, TlsOrigination
from egress_server.domain.model.traffic_policy import H2UpgradePolicy, LoadBalancer, TcpKeepalive

Part = dict[str, Any]


def render_traffic_policy(entry: ServiceEntry) -> Part:
    """The policy; empty if the entry needs none."""
    settings = entry.traffic
    common = _non_empty(connectionPool=_connection_pool(settings.connection_limits or ConnectionLimits()))
    if settings.outlier_detection:
        common["outlierDetection"] = _outlier_detection(settings.outlier_detection)
    if settings.load_balancer:
        common["loadBalancer"] = _load_balancer(settings.load_balancer)
    if settings.tls_origination is None:
        return common
    tls = _tls(settings.tls_origination, entry.subject_alt_names)
    return {**common, "portLevelSettings": [{"port": {"number": settings.tls_origination.port}, **common, "tls": tls}]}


def _connection_pool(limits: ConnectionLimits) -> Part:
    tcp = _non_empty(
        maxConnections=limits.max_connections,
        connectTimeout=_duration(limits.connect_timeout),
        tcpKeepalive=limits.tcp_keepalive and _keepalive(limits.tcp_keepalive),
        maxConnectionDuration=_duration(limits.max_connection_duration),
        idleTimeout="0s" if limits.idle_timeout == 0 else _duration(limits.idle_timeout),
    )
    upgrade = limits.h2_upgrade_policy
    http = _non_empty(
        http1MaxPendingRequests=limits.max_pending_requests,
        http2MaxRequests=limits.max_requests,
        maxRequestsPerConnection=limits.max_requests_per_connection,
        maxRetries=limits.max_retries,
        idleTimeout=_duration(limits.http_idle_timeout),
        h2UpgradePolicy="" if upgrade is H2UpgradePolicy.DEFAULT else upgrade.value,
        maxConcurrentStreams=limits.max_concurrent_streams,
    )
    return _non_empty(tcp=tcp, http=http)


def _keepalive(keepalive: TcpKeepalive) -> Part:
    return _non_empty(probes=keepalive.probes, time=_duration(keepalive.time), interval=_duration(keepalive.interval))


def _outlier_detection(detection: OutlierDetection) -> Part:
    failures = detection.consecutive_local_origin_failures
    return _non_empty(
        splitExternalLocalOriginErrors=bool(failures),
        consecutiveLocalOriginFailures=failures,
        consecutiveGatewayErrors=detection.consecutive_gateway_errors,
        consecutive5xxErrors=detection.consecutive_5xx_errors,
        interval=_duration(detection.interval),
        baseEjectionTime=_duration(detection.base_ejection_time),
        maxEjectionPercent=detection.max_ejection_percent,
        minHealthPercent=detection.min_health_percent,
    )


def _load_balancer(balancer: LoadBalancer) -> Part:
    if balancer.simple:
        return {"simple": balancer.simple.value}
    cookie = balancer.http_cookie
    hashed = _non_empty(
        httpHeaderName=balancer.http_header_name,
        httpCookie=cookie and _non_empty(name=cookie.name, path=cookie.path, ttl=_duration(cookie.ttl) or "0s"),
        useSourceIp=balancer.use_source_ip,
        httpQueryParameterName=balancer.http_query_parameter_name,
    )
    return {"consistentHash": hashed}


def _tls(origination: TlsOrigination, entry_names: tuple[str, ...]) -> Part:
    """Without an SNI Istio sends the host and validates the certificate against it; with one it validates only against
    subjectAltNames. Istio takes those of the entry if the rule has none, and refuses any without verification."""
    names = origination.subject_alt_names
    if not names and not entry_names and origination.sni:
        names = (origination.sni,)
    return {
        "mode": origination.mode.value,
        **_non_empty(
            credentialName=origination.credential_name,
            clientCertificate=origination.client_certificate,
            privateKey=origination.private_key,
            caCertificates=origination.ca_certificates,
            sni=origination.sni,
            subjectAltNames=[] if origination.insecure_skip_verify else list(names),
            insecureSkipVerify=origination.insecure_skip_verify,
        ),
    }


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _non_empty(**fields: Any) -> Part:
    return {name: value for name, value in fields.items() if value}
