"""Validation of an entry's traffic settings.

Settings for requests (timeouts, retries, headers) require a port where the sidecar sees requests: on any other port
they would be accepted but have no effect.
"""

from http import HTTPStatus

from egress_server.domain.model.limits import (
    MAX_DESTINATIONS,
    MAX_EJECTION_TIME,
    MAX_RETRIES,
    MAX_ROUTES,
    MAX_TRAFFIC_TIMEOUT,
)
from egress_server.domain.model.resources import (
    ConnectionLimits,
    OutlierDetection,
    Resolution,
    Retries,
    Route,
    ServiceEntry,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.validate.http import authority_problem, check_header_operations, check_request_conditions
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import (
    check_count,
    check_duration,
    check_unique,
    host_problem,
)

TOTAL_WEIGHT = 100
# What Istio's webhook accepts in retryOn, besides HTTP status codes.
RETRY_CONDITIONS = frozenset(
    {
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    }
)
_ERROR_STATUSES = frozenset(str(status.value) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)


def check_traffic(entry: ServiceEntry, problems: Problems) -> None:
    """Adds everything that is wrong with the traffic settings of `entry`."""
    settings = entry.traffic
    check_duration(settings.timeout, MAX_TRAFFIC_TIMEOUT, problems.at("timeout"))
    if settings.retries:
        _check_retries(settings.retries, problems.at("retries"))
    _check_routes(settings.routes, problems.at("routes"))
    if settings.tls_origination:
        _check_tls_origination(settings.tls_origination, entry, problems.at("tls_origination"))
    if settings.connection_limits:
        _check_limits(settings.connection_limits, problems.at("connection_limits"))
    if settings.outlier_detection:
        _check_outliers(settings.outlier_detection, problems.at("outlier_detection"))
    if not entry.has_http:
        _check_without_http(settings, problems)


def _check_without_http(settings: TrafficSettings, problems: Problems) -> None:
    limits = settings.connection_limits or ConnectionLimits()
    requiring_http = {
        ("timeout",): settings.timeout,
        ("retries",): settings.retries,
        ("routes",): settings.routes,
        ("connection_limits", "max_pending_requests"): limits.max_pending_requests,
        ("connection_limits", "max_requests_per_connection"): limits.max_requests_per_connection,
    }
    for path, value in requiring_http.items():
        if value:
            problems.at(*path).add("requires a port where the sidecar sees requests (HTTP, HTTP2 or GRPC)")


def _check_retries(retries: Retries, problems: Problems) -> None:
    if not 0 <= retries.attempts <= MAX_RETRIES:
        problems.at("attempts").add(f"{retries.attempts} must be between 0 and {MAX_RETRIES}")
    check_duration(retries.per_try_timeout, MAX_TRAFFIC_TIMEOUT, problems.at("per_try_timeout"))
    conditions = problems.at("retry_on")
    check_unique(retries.retry_on, conditions)
    for index, condition in enumerate(retries.retry_on):
        if condition not in RETRY_CONDITIONS and condition not in _ERROR_STATUSES:
            known = ", ".join(sorted(RETRY_CONDITIONS))
            conditions.at(index).add(f"{condition!r:.60} must be an HTTP status such as 503, or one of {known}")
    check_duration(retries.backoff, MAX_TRAFFIC_TIMEOUT, problems.at("backoff"))
    if not retries.attempts and retries != Retries(0):
        problems.at("attempts").add("0 disables retries; set attempts, or omit all other fields of retries")


def _check_routes(routes: tuple[Route, ...], problems: Problems) -> None:
    check_count(len(routes), 0, MAX_ROUTES, "route", problems)
    catch_all: int | None = None
    for index, route in enumerate(routes[:MAX_ROUTES]):
        here = problems.at(index)
        if catch_all is not None:
            here.add(f"is never reached, because routes[{catch_all}] matches every request")
        elif route.matches_all:
            catch_all = index
        check_request_conditions(route, here)
        _check_rewrite(route, here)
        _check_destinations(route.destinations, here.at("destinations"))


def _check_rewrite(route: Route, problems: Problems) -> None:
    if route.rewrite_authority and (problem := authority_problem(route.rewrite_authority)):
        problems.at("rewrite_authority").add(problem)
    for field in ("request_headers", "response_headers"):
        if operations := getattr(route, field):
            check_header_operations(operations, problems.at(field))


def _check_destinations(destinations: tuple[WeightedDestination, ...], problems: Problems) -> None:
    check_count(len(destinations), 1, MAX_DESTINATIONS, "destination", problems)
    for index, destination in enumerate(destinations[:MAX_DESTINATIONS]):
        here = problems.at(index)
        if problem := host_problem(destination.host):
            here.at("host").add(problem)
        elif destination.host.startswith("*"):
            here.at("host").add("must not be a wildcard")
        if not 0 <= destination.port <= 65535:
            here.at("port").add(f"{destination.port} must be between 1 and 65535, or 0 for the port of the request")
        if not 0 <= destination.weight <= TOTAL_WEIGHT:
            here.at("weight").add(f"{destination.weight} must be between 0 and {TOTAL_WEIGHT}")
    total = sum(destination.weight for destination in destinations)
    if destinations and total != TOTAL_WEIGHT and (len(destinations) > 1 or total):
        problems.add(f"the weights must add up to {TOTAL_WEIGHT}, not {total}")


def _check_tls_origination(tls: TlsOrigination, entry: ServiceEntry, problems: Problems) -> None:
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
    if entry.resolution is Resolution.NONE:
        problems.add("resolution NONE connects to the original port, which does not accept TLS; use DNS or STATIC")
    if not tls.sni:
        if any(host.startswith("*") for host in entry.hosts):
            problems.at("sni").add("must be set, because a wildcard host is not a valid server name")
    elif tls.sni.startswith("*") or host_problem(tls.sni):
        problems.at("sni").add("must be a DNS name such as www.example.com")


def _check_limits(limits: ConnectionLimits, problems: Problems) -> None:
    check_duration(limits.connect_timeout, MAX_TRAFFIC_TIMEOUT, problems.at("connect_timeout"))
    for field in ("max_connections", "max_pending_requests", "max_requests_per_connection"):
        if (count := getattr(limits, field)) < 0:
            problems.at(field).add(f"{count} must not be negative; 0 means no limit")


def _check_outliers(detection: OutlierDetection, problems: Problems) -> None:
    if detection.consecutive_5xx_errors < 0:
        problems.at("consecutive_5xx_errors").add("must not be negative; 0 means Istio's default")
    check_duration(detection.interval, MAX_TRAFFIC_TIMEOUT, problems.at("interval"))
    check_duration(detection.base_ejection_time, MAX_EJECTION_TIME, problems.at("base_ejection_time"))
    if not 0 <= detection.max_ejection_percent <= 100:
        problems.at("max_ejection_percent").add(f"{detection.max_ejection_percent} must be between 0 and 100")
