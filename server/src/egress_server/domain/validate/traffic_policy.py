"""Validation of an entry's settings for connections: TLS, limits, outlier detection and load balancing."""

import re
from dataclasses import astuple

from egress_server.domain.model.limits import MAX_EJECTION_TIME, MAX_IDLE_TIMEOUT, MAX_PATH, MAX_TRAFFIC_TIMEOUT
from egress_server.domain.model.resources import (
    ConnectionLimits,
    OutlierDetection,
    Resolution,
    ServiceEntry,
    TlsOrigination,
)
from egress_server.domain.model.traffic_policy import LoadBalancer, OriginationMode
from egress_server.domain.validate.http import header_name_problem
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_labels
from egress_server.domain.validate.subject_alt_names import check_subject_alt_names
from egress_server.domain.validate.values import check_duration, host_problem

_FILES = ("client_certificate", "private_key", "ca_certificates")
_FILE = re.compile(rf"(?=.{{1,{MAX_PATH}}}$)/[!-~]+")
_SECRET = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""A token of RFC 9110, such as the name of a cookie."""


def check_traffic_policy(entry: ServiceEntry, problems: Problems) -> None:
    """Adds everything that is wrong with the settings of `entry` for connections."""
    settings = entry.traffic
    if settings.tls_origination:
        _check_tls(settings.tls_origination, entry, problems.at("tls_origination"))
    if settings.connection_limits:
        _check_limits(settings.connection_limits, problems.at("connection_limits"))
    if settings.outlier_detection:
        _check_outliers(settings.outlier_detection, problems.at("outlier_detection"))
        if entry.resolution is Resolution.DYNAMIC_DNS:
            # applyOutlierDetection in istiod 1.31 dereferences a field that clusters of DYNAMIC_DNS don't have.
            problems.at("outlier_detection").add("must not be set with resolution DYNAMIC_DNS: it crashes istiod")
    if settings.load_balancer:
        _check_balancer(settings.load_balancer, problems.at("load_balancer"))


def _check_tls(tls: TlsOrigination, entry: ServiceEntry, problems: Problems) -> None:
    port = problems.at("port")
    place = next((index for index, known in enumerate(entry.ports) if known.number == tls.port), None)
    if place is None:
        port.add(f"{tls.port} is not a port in this entry")
    elif not entry.ports[place].protocol.is_http:
        port.add(
            f"{tls.port} is {entry.ports[place].protocol.label}; TLS can be originated for HTTP, HTTP2 and GRPC only"
        )
    elif entry.ports[place].target_port in {0, tls.port}:
        port.add(f"set ports[{place}].target_port to the port that accepts TLS, such as 443; the default is {tls.port}")
    if tls.sni and (tls.sni.startswith("*") or host_problem(tls.sni)):
        problems.at("sni").add("must be a DNS name such as www.example.com")
    _check_credentials(tls, problems)
    _check_verification(tls, problems)
    check_labels(tls.match_labels, problems.at("match_labels"))


def _check_credentials(tls: TlsOrigination, problems: Problems) -> None:
    """Istio's rules (ValidateTLS), and the selector without which sidecars ignore `credential_name`."""
    for field in _FILES:
        if problem := _file_problem(tls, field):
            problems.at(field).add(problem)
    if not tls.credential_name:
        return
    if not _SECRET.fullmatch(tls.credential_name):
        problems.at("credential_name").add("must be the name of a Secret in the workloads' namespace")
    if not tls.match_labels:
        problems.at("match_labels").add(
            "is required with credential_name: without it, Istio ignores the credential and sends plain text"
        )


def _file_problem(tls: TlsOrigination, field: str) -> str | None:
    path, presented = getattr(tls, field), field != "ca_certificates"
    if not path:
        missing = presented and tls.mode is OriginationMode.MUTUAL and not tls.credential_name
        return "is required with mode MUTUAL; set its path, or credential_name instead" if missing else None
    if tls.credential_name:
        return "can't be combined with credential_name, which names all of them"
    if not _FILE.fullmatch(path):
        return f"must be an absolute path of at most {MAX_PATH} characters, without spaces"
    if presented and tls.mode is OriginationMode.SIMPLE:
        return "requires mode MUTUAL; with SIMPLE the sidecar presents no certificate"
    return None


def _check_verification(tls: TlsOrigination, problems: Problems) -> None:
    check_subject_alt_names(tls.subject_alt_names, problems.at("subject_alt_names"))
    if not tls.insecure_skip_verify:
        return
    for field in ("ca_certificates", "subject_alt_names"):
        if getattr(tls, field):
            problems.at(field).add("has no effect with insecure_skip_verify; omit one of the two")
    if tls.credential_name and tls.mode is OriginationMode.SIMPLE:
        problems.at("credential_name").add(
            "has no effect with insecure_skip_verify and mode SIMPLE; omit one of the two"
        )


def _check_limits(limits: ConnectionLimits, problems: Problems) -> None:
    check_duration(limits.connect_timeout, MAX_TRAFFIC_TIMEOUT, problems.at("connect_timeout"))
    # 0 means no timeout.
    check_duration(limits.idle_timeout or None, MAX_IDLE_TIMEOUT, problems.at("idle_timeout"))
    check_duration(limits.max_connection_duration, MAX_IDLE_TIMEOUT, problems.at("max_connection_duration"))
    check_duration(limits.http_idle_timeout, MAX_IDLE_TIMEOUT, problems.at("http_idle_timeout"))
    for field in (
        "max_connections",
        "max_pending_requests",
        "max_requests_per_connection",
        "max_requests",
        "max_retries",
        "max_concurrent_streams",
    ):
        if (count := getattr(limits, field)) < 0:
            problems.at(field).add(f"{count} must not be negative; 0 means no limit")
    if keepalive := limits.tcp_keepalive:
        here = problems.at("tcp_keepalive")
        check_duration(keepalive.time, MAX_IDLE_TIMEOUT, here.at("time"))
        check_duration(keepalive.interval, MAX_IDLE_TIMEOUT, here.at("interval"))
        for field in ("time", "interval"):
            if (seconds := getattr(keepalive, field)) is not None and seconds % 1:
                here.at(field).add("must be whole seconds, which is the resolution of the operating system")
        if keepalive.probes < 0:
            here.at("probes").add("must not be negative; 0 means the operating system's default")


def _check_outliers(detection: OutlierDetection, problems: Problems) -> None:
    for field in ("consecutive_5xx_errors", "consecutive_gateway_errors", "consecutive_local_origin_failures"):
        if getattr(detection, field) < 0:
            problems.at(field).add("must not be negative; 0 means Istio's default")
    check_duration(detection.interval, MAX_TRAFFIC_TIMEOUT, problems.at("interval"))
    check_duration(detection.base_ejection_time, MAX_EJECTION_TIME, problems.at("base_ejection_time"))
    for field in ("max_ejection_percent", "min_health_percent"):
        if not 0 <= (percent := getattr(detection, field)) <= 100:
            problems.at(field).add(f"{percent} must be between 0 and 100")


def _check_balancer(balancer: LoadBalancer, problems: Problems) -> None:
    if sum(map(bool, astuple(balancer))) != 1:
        problems.add(
            "one of simple, http_header_name, http_cookie, use_source_ip and http_query_parameter_name is required"
        )
    if balancer.http_header_name and (problem := header_name_problem(balancer.http_header_name)):
        problems.at("http_header_name").add(problem)
    if balancer.http_query_parameter_name and not _NAME.fullmatch(balancer.http_query_parameter_name):
        problems.at("http_query_parameter_name").add("must be the name of a query parameter")
    if cookie := balancer.http_cookie:
        here = problems.at("http_cookie")
        if not _NAME.fullmatch(cookie.name):
            here.at("name").add("must be the name of a cookie")
        if cookie.path and not _FILE.fullmatch(cookie.path) and cookie.path != "/":
            here.at("path").add("must be a path such as /shop")
        check_duration(cookie.ttl or None, MAX_IDLE_TIMEOUT, here.at("ttl"))
