"""Validation of the settings of an entry for connections: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import (
    ConnectionLimits,
    OutlierDetection,
    Resolution,
    TlsOrigination,
)
from egress_server.domain.model.traffic_policy import (
    H2UpgradePolicy,
    HttpCookie,
    LoadBalancer,
    OriginationMode,
    SimpleLoadBalancer,
    TcpKeepalive,
)
from tests.support.meshes import ports
from tests.unit.domain.validate.test_traffic import problems_of

MUTUAL = OriginationMode.MUTUAL
TLS_PORTS = ports("80:HTTP:443", "443:HTTPS")


VALID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "TLS origination": ({"tls_origination": TlsOrigination()}, {"ports": TLS_PORTS}),
    "TLS origination to the dialled address": (
        {"tls_origination": TlsOrigination()},
        {"ports": TLS_PORTS, "resolution": Resolution.NONE},
    ),
    "TLS origination with the name of the request": (
        {"tls_origination": TlsOrigination()},
        {"hosts": ("*.a.b",), "ports": ports("80:HTTP:443"), "resolution": Resolution.NONE},
    ),
    "TLS origination with a Secret": (
        {"tls_origination": TlsOrigination(mode=MUTUAL, credential_name="bank.client", match_labels={"app": "pay"})},
        {"ports": TLS_PORTS},
    ),
    "TLS origination with files": (
        {
            "tls_origination": TlsOrigination(
                mode=MUTUAL, client_certificate="/c", private_key="/k", ca_certificates="/ca", subject_alt_names=("a",)
            )
        },
        {"ports": TLS_PORTS},
    ),
    "connections of a database": (
        {
            "connection_limits": ConnectionLimits(idle_timeout=0.0, tcp_keepalive=TcpKeepalive(300.0, 30.0, 3)),
            "load_balancer": LoadBalancer(use_source_ip=True),
        },
        {"ports": ports("3306:TCP")},
    ),
    "balancing by cookie": ({"load_balancer": LoadBalancer(http_cookie=HttpCookie("a", "/"))}, {}),
    "TLS origination with a name": (
        {"tls_origination": TlsOrigination(8080, "api.example.com", True)},
        {"ports": ports("8080:HTTP2:8443")},
    ),
    "TLS origination for a wildcard": (
        {"tls_origination": TlsOrigination(80, "api.example.com")},
        {"hosts": ("*.a.b",), "ports": TLS_PORTS, "resolution": Resolution.DYNAMIC_DNS}
        | {"ports": ports("80:HTTP:443")},
    ),
    "limits": ({"connection_limits": ConnectionLimits(1, 30.0, 1, 1)}, {}),
    "empty limits": ({"connection_limits": ConnectionLimits()}, {}),
    "limits of TCP": ({"connection_limits": ConnectionLimits(10, 1.0)}, {"ports": ports("3306:TCP")}),
    "outliers": ({"outlier_detection": OutlierDetection(3, 1.0, 86400.0, 100)}, {}),
    "outliers by default": ({"outlier_detection": OutlierDetection()}, {"ports": ports("443:TLS")}),
}


@pytest.mark.parametrize("case", VALID)
def test_right(case: str) -> None:
    """Valid settings have no problems."""
    settings, fields = VALID[case]
    assert problems_of(settings, **fields) == []


INVALID: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "requests of TCP": (
        {"connection_limits": ConnectionLimits(max_pending_requests=1)},
        {"ports": ports("1:TCP")},
        "traffic.connection_limits.max_pending_requests",
        "requires a port",
    ),
    "TLS on no port": (
        {"tls_origination": TlsOrigination(81)},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.port",
        "81 is not a port",
    ),
    "TLS in TLS": (
        {"tls_origination": TlsOrigination(443)},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.port",
        "443 is HTTPS",
    ),
    "TLS where HTTP is spoken": (
        {"tls_origination": TlsOrigination()},
        {},
        "traffic.tls_origination.port",
        "set ports[0].target_port",
    ),
    "certificate of none": (
        {"tls_origination": TlsOrigination(mode=MUTUAL, client_certificate="/c")},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.private_key",
        "is required with mode MUTUAL",
    ),
    "certificate not presented": (
        {"tls_origination": TlsOrigination(client_certificate="/c")},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.client_certificate",
        "requires mode MUTUAL",
    ),
    "certificate here": (
        {"tls_origination": TlsOrigination(ca_certificates="ca.pem")},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.ca_certificates",
        "must be an absolute path",
    ),
    "Secret and file": (
        {"tls_origination": TlsOrigination(credential_name="s", ca_certificates="/ca", match_labels={"a": "b"})},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.ca_certificates",
        "can't be combined with credential_name",
    ),
    "Secret for all": (
        {"tls_origination": TlsOrigination(credential_name="s")},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.match_labels",
        "sends plain text",
    ),
    "Secret with a key": (
        {"tls_origination": TlsOrigination(credential_name="-----BEGIN", match_labels={"a": "b"})},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.credential_name",
        "must be the name of a Secret",
    ),
    "names of an unverified certificate": (
        {"tls_origination": TlsOrigination(insecure_skip_verify=True, subject_alt_names=("a.b",))},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.subject_alt_names",
        "has no effect with insecure_skip_verify",
    ),
    "CA in a Secret, unverified": (
        {"tls_origination": TlsOrigination(insecure_skip_verify=True, credential_name="s", match_labels={"a": "b"})},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.credential_name",
        "has no effect with insecure_skip_verify",
    ),
    "certificate name twice": (
        {"tls_origination": TlsOrigination(subject_alt_names=("a.b", "a.b"))},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.subject_alt_names[1]",
        "already listed",
    ),
    "long idleness": (
        {"connection_limits": ConnectionLimits(idle_timeout=31 * 86400.0)},
        {},
        "traffic.connection_limits.idle_timeout",
        "at most 720 h",
    ),
    "keepalive in parts of seconds": (
        {"connection_limits": ConnectionLimits(tcp_keepalive=TcpKeepalive(time=0.5))},
        {},
        "traffic.connection_limits.tcp_keepalive.time",
        "must be whole seconds",
    ),
    "negative probes": (
        {"connection_limits": ConnectionLimits(tcp_keepalive=TcpKeepalive(probes=-1))},
        {},
        "traffic.connection_limits.tcp_keepalive.probes",
        "must not be negative",
    ),
    "HTTP/2 for TCP": (
        {"connection_limits": ConnectionLimits(h2_upgrade_policy=H2UpgradePolicy.UPGRADE)},
        {"ports": ports("3306:TCP")},
        "traffic.connection_limits.h2_upgrade_policy",
        "requires a port where",
    ),
    "no balancing": ({"load_balancer": LoadBalancer()}, {}, "traffic.load_balancer", "one of simple"),
    "balancing twice": (
        {"load_balancer": LoadBalancer(SimpleLoadBalancer.RANDOM, use_source_ip=True)},
        {},
        "traffic.load_balancer",
        "one of simple",
    ),
    "balancing TCP by header": (
        {"load_balancer": LoadBalancer(http_header_name="x-user")},
        {"ports": ports("3306:TCP")},
        "traffic.load_balancer.http_header_name",
        "requires a port where",
    ),
    "balancing by a bad header": (
        {"load_balancer": LoadBalancer(http_header_name="X")},
        {},
        "traffic.load_balancer.http_header_name",
        "in lowercase",
    ),
    "balancing by a bad parameter": (
        {"load_balancer": LoadBalancer(http_query_parameter_name="a b")},
        {},
        "traffic.load_balancer.http_query_parameter_name",
        "name of a query parameter",
    ),
    "balancing by a bad cookie": (
        {"load_balancer": LoadBalancer(http_cookie=HttpCookie("a;b"))},
        {},
        "traffic.load_balancer.http_cookie.name",
        "name of a cookie",
    ),
    "cookie without a path": (
        {"load_balancer": LoadBalancer(http_cookie=HttpCookie("a", "b"))},
        {},
        "traffic.load_balancer.http_cookie.path",
        "must be a path",
    ),
    "healthy more than all": (
        {"outlier_detection": OutlierDetection(min_health_percent=101)},
        {},
        "traffic.outlier_detection.min_health_percent",
        "between 0 and 100",
    ),
    "TLS for a bad name": (
        {"tls_origination": TlsOrigination(80, "203.0.113.7")},
        {"ports": TLS_PORTS},
        "traffic.tls_origination.sni",
        "DNS name",
    ),
    "negative connections": (
        {"connection_limits": ConnectionLimits(-1)},
        {},
        "traffic.connection_limits.max_connections",
        "negative",
    ),
    "connect in no time": (
        {"connection_limits": ConnectionLimits(1, 0.0)},
        {},
        "traffic.connection_limits.connect_timeout",
        "greater than 0",
    ),
    "outliers of a name that each request resolves": (
        {"outlier_detection": OutlierDetection()},
        {"hosts": ("*.a.b",), "ports": ports("443:TLS"), "resolution": Resolution.DYNAMIC_DNS},
        "traffic.outlier_detection",
        "crashes istiod",
    ),
    "negative errors": (
        {"outlier_detection": OutlierDetection(-1)},
        {},
        "traffic.outlier_detection.consecutive_5xx_errors",
        "negative",
    ),
    "all and more": (
        {"outlier_detection": OutlierDetection(max_ejection_percent=101)},
        {},
        "traffic.outlier_detection.max_ejection_percent",
        "between 0 and 100",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_wrong(case: str) -> None:
    """There is one problem, at the right field."""
    settings, fields, path, text = INVALID[case]
    found = problems_of(settings, **fields)
    assert [field for field, _ in found] == [path]
    assert text in found[0][1]
