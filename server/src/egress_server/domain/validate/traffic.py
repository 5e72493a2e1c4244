"""Validation of an entry's traffic settings.

Settings for requests (timeouts, retries, headers) require a port where the sidecar sees requests: on any other port
they would be accepted but have no effect.
"""

from http import HTTPStatus

from egress_server.domain.model.limits import (
    MAX_DESTINATIONS,
    MAX_RETRIES,
    MAX_ROUTES,
    MAX_TRAFFIC_TIMEOUT,
)
from egress_server.domain.model.resources import (
    Retries,
    Route,
    ServiceEntry,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.traffic_policy import H2UpgradePolicy
from egress_server.domain.validate.http import authority_problem, check_header_operations, check_request_conditions
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.traffic_policy import check_traffic_policy
from egress_server.domain.validate.values import (
    check_count,
    check_duration,
    check_unique,
    host_problem,
)

TOTAL_WEIGHT = 100
_REQUIRING_HTTP = {
    "connection_limits": (
        "max_pending_requests",
        "max_requests_per_connection",
        "http_idle_timeout",
        "max_requests",
        "max_retries",
        "max_concurrent_streams",
        "h2_upgrade_policy",
    ),
    "load_balancer": ("http_header_name", "http_cookie", "http_query_parameter_name"),
}
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
    check_traffic_policy(entry, problems)
    if not entry.has_http:
        _check_without_http(settings, problems)


def _check_without_http(settings: TrafficSettings, problems: Problems) -> None:
    requiring_http: dict[tuple[str, str], object] = {
        (field, ""): getattr(settings, field) for field in ("timeout", "retries", "routes")
    }
    for group, fields in _REQUIRING_HTTP.items():
        if part := getattr(settings, group):
            requiring_http |= {(group, field): getattr(part, field) for field in fields}
    for path, value in requiring_http.items():
        if value and value is not H2UpgradePolicy.DEFAULT:
            problems.at(*filter(None, path)).add(
                "requires a port where the sidecar sees requests (HTTP, HTTP2 or GRPC)"
            )


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
