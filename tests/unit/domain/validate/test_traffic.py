"""Validation of the traffic settings of an entry: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import (
    ConnectionLimits,
    HeaderMatch,
    HeaderOperations,
    MatchKind,
    OutlierDetection,
    Resolution,
    Retries,
    Route,
    StringMatch,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.traffic_policy import (
    H2UpgradePolicy,
    HttpCookie,
    LoadBalancer,
    OriginationMode,
    SimpleLoadBalancer,
    TcpKeepalive,
)
from egress_server.domain.validate import Problems, check_resource
from tests.support.meshes import entry, ports
from tests.support.violations import violations_of

EXACT, PREFIX, REGEX = MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX
MUTUAL = OriginationMode.MUTUAL
TLS_PORTS = ports("80:HTTP:443", "443:HTTPS")
BLUE = WeightedDestination("blue.example.com")


def problems_of(settings: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Field and description of all problems of an entry with these traffic settings."""
    problems = Problems()
    whole = {"resolution": Resolution.DNS, **fields, "traffic": TrafficSettings(**settings)}
    check_resource(entry(**whole), problems)
    return violations_of(problems.raise_if_any)


def changed(**operations: Any) -> dict[str, Any]:
    """One route that changes headers of requests."""
    return {"routes": (Route((BLUE,), request_headers=HeaderOperations(**operations)),)}


def headers(*matches: HeaderMatch) -> dict[str, Any]:
    """One route with header matches."""
    return {"routes": (Route((BLUE,), matches),)}


def regex(text: str) -> dict[str, Any]:
    """One route with a regular expression."""
    return headers(HeaderMatch("x", REGEX, text))


def split(*weights: int) -> dict[str, Any]:
    """One route with several destinations."""
    return {
        "routes": (Route(tuple(WeightedDestination(f"d{i}.example.com", 0, w) for i, w in enumerate(weights))),),
    }


VALID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a millisecond": ({"timeout": 0.001}, {}),
    "an hour": ({"timeout": 3600.0}, {}),
    "parts of a second": ({"timeout": 0.1 + 0.2}, {}),
    "no retries": ({"retries": Retries(0)}, {}),
    "retries": ({"retries": Retries(20, 0.25, ("5xx", "connect-failure", "503"))}, {}),
    "one place": ({"routes": (Route((BLUE,)),)}, {}),
    "one place with all the weight": ({"routes": (Route((WeightedDestination("a.b", 8080, 100),)),)}, {}),
    "several places": (split(70, 20, 10, 0), {}),
    "headers, then the rest": (
        {"routes": (Route((BLUE,), (HeaderMatch("x-user", EXACT, "me"),)), Route((BLUE,)))},
        {},
    ),
    "path, method, host": (
        {
            "routes": (
                Route((BLUE,), (), StringMatch(PREFIX, "/a"), StringMatch(EXACT, "GET"), StringMatch(EXACT, "a.b:80")),
                Route((BLUE,)),
            )
        },
        {},
    ),
    "another host": ({"routes": (Route((BLUE,), rewrite_authority="b.example.com:8443"),)}, {}),
    "changed headers": (changed(set={"x-a": "100%%"}, add={"x-b": "b\tc"}, remove=("cookie",)), {}),
    "retry details": ({"retries": Retries(2, backoff=0.1, retry_remote_localities=True)}, {}),
    "header is there": (headers(HeaderMatch("x-user")), {}),
    "several headers": (headers(HeaderMatch("a", PREFIX, "v"), HeaderMatch("b", EXACT, "ä")), {}),
    "token characters": (headers(HeaderMatch("!#$%&'*+.^_`|~0-9a-z-")), {}),
    "regex": (regex(r"^(?:a|b)+\d{1,3}[-*+.]+(?P<n>x)\+$"), {}),
    "regex with repeats": (regex(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3,}-(?P<n>\w{1,12})|a{1000}|{x}"), {}),
    "regex with flags": (regex("(?i)abc"), {}),
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


R0 = "traffic.routes[0]"
H0 = f"{R0}.match_headers[0]"
INVALID: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "zero timeout": ({"timeout": 0.0}, {}, "traffic.timeout", "greater than 0"),
    "negative timeout": ({"timeout": -1.0}, {}, "traffic.timeout", "greater than 0"),
    "over an hour": ({"timeout": 3600.001}, {}, "traffic.timeout", "at most 1 h"),
    "finer than a millisecond": ({"timeout": 0.0005}, {}, "traffic.timeout", "whole milliseconds"),
    "a nanosecond": ({"timeout": 1e-9}, {}, "traffic.timeout", "whole milliseconds"),
    "not a number": ({"timeout": float("nan")}, {}, "traffic.timeout", "greater than 0"),
    "timeout of TLS": ({"timeout": 1.0}, {"ports": ports("443:TLS")}, "traffic.timeout", "requires a port"),
    "retries of TCP": ({"retries": Retries(1)}, {"ports": ports("1:TCP")}, "traffic.retries", "requires a port"),
    "routes of TLS": (split(100), {"ports": ports("443:HTTPS")}, "traffic.routes", "requires a port"),
    "requests of TCP": (
        {"connection_limits": ConnectionLimits(max_pending_requests=1)},
        {"ports": ports("1:TCP")},
        "traffic.connection_limits.max_pending_requests",
        "requires a port",
    ),
    "21 attempts": ({"retries": Retries(21)}, {}, "traffic.retries.attempts", "between 0 and 20"),
    "negative attempts": ({"retries": Retries(-1)}, {}, "traffic.retries.attempts", "between 0 and 20"),
    "how to try again, but not at all": (
        {"retries": Retries(0, None, ("5xx",))},
        {},
        "traffic.retries.attempts",
        "disables retries",
    ),
    "try forever": ({"retries": Retries(1, 0.0)}, {}, "traffic.retries.per_try_timeout", "greater than 0"),
    "unknown condition": ({"retries": Retries(1, None, ("5xx", "5XX"))}, {}, "traffic.retries.retry_on[1]", "503"),
    "good status": ({"retries": Retries(1, None, ("200",))}, {}, "traffic.retries.retry_on[0]", "503"),
    "condition twice": ({"retries": Retries(1, None, ("5xx", "5xx"))}, {}, "traffic.retries.retry_on[1]", "already"),
    "no place": ({"routes": (Route(()),)}, {}, f"{R0}.destinations", "at least 1"),
    "weights too small": (split(50, 49), {}, f"{R0}.destinations", "must add up to 100, not 99"),
    "no weights": (split(0, 0), {}, f"{R0}.destinations", "must add up to 100, not 0"),
    "half of one": (split(50), {}, f"{R0}.destinations", "must add up to 100, not 50"),
    "negative weight": (split(-1, 51, 50), {}, f"{R0}.destinations[0].weight", "between 0 and 100"),
    "place that is not a name": (
        {"routes": (Route((WeightedDestination("a b"),)),)},
        {},
        f"{R0}.destinations[0].host",
        "DNS name",
    ),
    "place that is many": (
        {"routes": (Route((WeightedDestination("*.a.b"),)),)},
        {},
        f"{R0}.destinations[0].host",
        "wildcard",
    ),
    "place's port": (
        {"routes": (Route((WeightedDestination("a.b", 65536),)),)},
        {},
        f"{R0}.destinations[0].port",
        "between 1 and 65535",
    ),
    "route behind the rest": (
        {"routes": (Route((BLUE,)), Route((BLUE,), (HeaderMatch("x"),)))},
        {},
        "traffic.routes[1]",
        "routes[0] matches every request",
    ),
    "route behind a path": (
        {"routes": (Route((BLUE,), match_uri=StringMatch(EXACT, "x")), Route((BLUE,)))},
        {},
        f"{R0}.match_uri.exact",
        "must start with /",
    ),
    "rewritten host": (
        {"routes": (Route((BLUE,), rewrite_authority="a b"),)},
        {},
        f"{R0}.rewrite_authority",
        "must be a Host header",
    ),
    "changed Host": (changed(set={"host": "a"}), {}, f'{R0}.request_headers.set["host"]', "by rewrite_authority"),
    "changed pseudo-header": (changed(remove=(":path",)), {}, f"{R0}.request_headers.remove[0]", "in lowercase"),
    "removed twice": (changed(remove=("a", "a")), {}, f"{R0}.request_headers.remove[1]", "already listed"),
    "operator": (changed(add={"a": "%START_TIME%"}), {}, f'{R0}.request_headers.add["a"]', "write %% for a percent"),
    "value of two lines": (changed(add={"a": "b\nc"}), {}, f'{R0}.request_headers.add["a"]', "printable ASCII"),
    "33 changes": (changed(add=dict.fromkeys(map(str, range(33)), "")), {}, f"{R0}.request_headers", "at most 32"),
    "upper-case header": (headers(HeaderMatch("X-User")), {}, f"{H0}.name", "in lowercase"),
    "no header": (headers(HeaderMatch("")), {}, f"{H0}.name", "in lowercase"),
    "pseudo-header": (headers(HeaderMatch(":path")), {}, f"{H0}.name", "in lowercase"),
    "header that is none": (headers(HeaderMatch("method", EXACT, "GET")), {}, f"{H0}.name", "does not treat method"),
    "header twice": (
        headers(HeaderMatch("x"), HeaderMatch("x", EXACT, "v")),
        {},
        f"{R0}.match_headers[1].name",
        "already matched at [0]",
    ),
    "empty value": (headers(HeaderMatch("x", EXACT)), {}, f"{H0}.exact", "must not be empty"),
    "control character": (headers(HeaderMatch("x", PREFIX, "a\nb")), {}, f"{H0}.prefix", "control"),
    "broken regex": (regex("(a"), {}, f"{H0}.regex", "not a valid regular expression"),
    "long regex": (regex("a" * 257), {}, f"{H0}.regex", "at most 256"),
    "lookahead": (regex("(?=a)"), {}, f"{H0}.regex", "groups that start with (?"),
    "lookbehind": (regex("(?<!a)b"), {}, f"{H0}.regex", "groups that start with (?"),
    "backreference": (regex(r"(a)\1"), {}, f"{H0}.regex", r"RE2 does not support \1"),
    "named backreference": (regex("(?P<n>a)(?P=n)"), {}, f"{H0}.regex", "groups that start with (?"),
    "end as Python has it": (regex(r"a\Z"), {}, f"{H0}.regex", r"RE2 does not support \Z"),
    "possessive": (regex("a++"), {}, f"{H0}.regex", "possessive"),
    "many repeats": (regex("a{1001}"), {}, f"{H0}.regex", "at most 1000"),
    "repeats of repeats": (regex("(?:(ab{50}){3}c){10}"), {}, f"{H0}.regex", "multiplied"),
    "large when written out": (regex("a{900}b{900}c{900}"), {}, f"{H0}.regex", "longer than 2000"),
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
