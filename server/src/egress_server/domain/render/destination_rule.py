"""TLS origination, connection limits and outlier detection to Istio's DestinationRule: one for a host that needs one.

TLS is spoken for one port only (portLevelSettings): a rule for the whole host would put TLS into the TLS that workloads
already speak on 443. Settings of a port replace those of the host wholly, so limits are said there again.
"""

from typing import Any

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, duration, istio_object
from egress_server.domain.model.resources import ConnectionLimits, OutlierDetection, TlsOrigination, TrafficSettings
from egress_server.domain.render.host_settings import HostTraffic, hosts_of

Part = dict[str, Any]


def render_destination_rules(wanted: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one."""
    rules = ((traffic, _policy(traffic)) for traffic in hosts_of(wanted))
    return [_render(traffic, policy) for traffic, policy in rules if policy]


def _render(traffic: HostTraffic, policy: Part) -> IstioObject:
    spec: Part = {"host": traffic.host, "trafficPolicy": policy}
    if traffic.entry and traffic.entry.export_to:
        spec["exportTo"] = list(traffic.entry.export_to)
    return istio_object("DestinationRule", traffic.namespace, traffic.object_name, traffic.resource, spec)


def _policy(traffic: HostTraffic) -> Part:
    if traffic.entry is None:
        return {}
    settings = traffic.entry.traffic
    common = _common(settings)
    if settings.tls_origination is None:
        return common
    port = settings.tls_origination.port
    tls = _tls(settings.tls_origination)
    return {**common, "portLevelSettings": [{"port": {"number": port}, **common, "tls": tls}]}


def _common(settings: TrafficSettings) -> Part:
    policy: Part = {}
    if settings.connection_limits and (pool := _pool(settings.connection_limits)):
        policy["connectionPool"] = pool
    if settings.outlier_detection:
        policy["outlierDetection"] = _outlier(settings.outlier_detection)
    return policy


def _pool(limits: ConnectionLimits) -> Part:
    tcp = _given(
        maxConnections=limits.max_connections,
        connectTimeout=None if limits.connect_timeout is None else duration(limits.connect_timeout),
    )
    http = _given(
        http1MaxPendingRequests=limits.max_pending_requests,
        maxRequestsPerConnection=limits.max_requests_per_connection,
    )
    return _given(tcp=tcp, http=http)


def _outlier(detection: OutlierDetection) -> Part:
    return _given(
        consecutive5xxErrors=detection.consecutive_5xx_errors,
        interval=None if detection.interval is None else duration(detection.interval),
        baseEjectionTime=None if detection.base_ejection_time is None else duration(detection.base_ejection_time),
        maxEjectionPercent=detection.max_ejection_percent,
    )


def _tls(origination: TlsOrigination) -> Part:
    """Without a server name Istio sends the host and checks the certificate for it; with one it checks only what
    subjectAltNames say."""
    tls: Part = {"mode": "SIMPLE"}
    if origination.sni:
        tls |= {"sni": origination.sni, "subjectAltNames": [origination.sni]}
    if origination.insecure_skip_verify:
        tls["insecureSkipVerify"] = True
    return tls


def _given(**fields: Any) -> Part:
    return {name: value for name, value in fields.items() if value}
