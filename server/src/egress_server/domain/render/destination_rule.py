"""TLS origination, connection limits and outlier detection to Istio's DestinationRule.

Istio takes a rule from the client's namespace, else from the namespace that provides the host, else from the root
namespace. Of several for one host in a namespace it uses the youngest that the client sees: so if one of them is
exported to all, it must be the only one. TLS is originated on one port only (portLevelSettings): a rule for the whole
host would wrap the TLS that workloads already use on 443 in TLS again. Port-level settings replace those of the host
entirely, so limits are repeated there.
"""

from typing import Any

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, duration, istio_object, root_namespace
from egress_server.domain.model.resources import ConnectionLimits, OutlierDetection, TlsOrigination, TrafficSettings
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic

Part = dict[str, Any]


def render_destination_rules(effective: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one. A rule of the root namespace would apply to the entries of all others as
    well: those get an empty one."""
    providers = [traffic for traffic in all_host_traffic(effective) if traffic.is_provider]
    public = {(traffic.host, traffic.namespace) for traffic in providers if traffic.is_public}
    rules = [
        (
            traffic,
            needs_rule(traffic.settings) and (traffic.is_first or (traffic.host, traffic.namespace) not in public),
        )
        for traffic in providers
    ]
    root = root_namespace(effective.cluster)
    inherited = {traffic.host for traffic, needed in rules if needed and traffic.namespace == root}
    return [
        _render(traffic)
        for traffic, needed in rules
        if needed or (traffic.host in inherited and traffic.namespace != root)
    ]


def needs_rule(settings: TrafficSettings) -> bool:
    """Whether settings require a DestinationRule."""
    return bool(_policy(settings))


def _render(traffic: HostTraffic) -> IstioObject:
    spec: Part = {"host": traffic.host}
    if policy := _policy(traffic.settings):
        spec["trafficPolicy"] = policy
    spec["exportTo"] = list(traffic.export_to)
    return istio_object("DestinationRule", traffic.namespace, traffic.object_name, traffic.resource, spec)


def _policy(settings: TrafficSettings) -> Part:
    common = _common(settings)
    if settings.tls_origination is None:
        return common
    port = settings.tls_origination.port
    tls = _tls(settings.tls_origination)
    return {**common, "portLevelSettings": [{"port": {"number": port}, **common, "tls": tls}]}


def _common(settings: TrafficSettings) -> Part:
    policy: Part = {}
    if settings.connection_limits and (pool := _connection_pool(settings.connection_limits)):
        policy["connectionPool"] = pool
    if settings.outlier_detection:
        policy["outlierDetection"] = _outlier_detection(settings.outlier_detection)
    return policy


def _connection_pool(limits: ConnectionLimits) -> Part:
    tcp = _non_empty(
        maxConnections=limits.max_connections,
        connectTimeout=None if limits.connect_timeout is None else duration(limits.connect_timeout),
    )
    http = _non_empty(
        http1MaxPendingRequests=limits.max_pending_requests,
        maxRequestsPerConnection=limits.max_requests_per_connection,
    )
    return _non_empty(tcp=tcp, http=http)


def _outlier_detection(detection: OutlierDetection) -> Part:
    return _non_empty(
        consecutive5xxErrors=detection.consecutive_5xx_errors,
        interval=None if detection.interval is None else duration(detection.interval),
        baseEjectionTime=None if detection.base_ejection_time is None else duration(detection.base_ejection_time),
        maxEjectionPercent=detection.max_ejection_percent,
    )


def _tls(origination: TlsOrigination) -> Part:
    """Without an SNI Istio sends the host and validates the certificate against it; with one it validates only against
    subjectAltNames."""
    tls: Part = {"mode": "SIMPLE"}
    if origination.sni:
        tls |= {"sni": origination.sni, "subjectAltNames": [origination.sni]}
    if origination.insecure_skip_verify:
        tls["insecureSkipVerify"] = True
    return tls


def _non_empty(**fields: Any) -> Part:
    return {name: value for name, value in fields.items() if value}
