"""Validation of faults."""

from egress_server.domain.model.limits import MAX_FAULT_TTL, MAX_PORTS
from egress_server.domain.model.resources import Abort, Delay, Fault
from egress_server.domain.validate.http import check_request_conditions
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_labels, check_namespace
from egress_server.domain.validate.values import check_duration, check_ports, host_problem

MIN_PERCENT = 0.0001  # Envoy's resolution is one in a million
GRPC_STATUSES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of gRPC's status codes, each at the position of its number."""


def check_fault(fault: Fault, problems: Problems) -> None:
    """Adds everything that is wrong with `fault`."""
    if problem := host_problem(fault.host):
        problems.at("host").add(problem)
    check_duration(fault.ttl, MAX_FAULT_TTL, problems.at("ttl"))
    if fault.delay is None and fault.abort is None:
        problems.at("delay").add("at least one of delay and abort must be set")
    if fault.delay:
        _check_delay(fault.delay, fault.ttl, problems.at("delay"))
    if fault.abort:
        _check_abort(fault.abort, problems.at("abort"))
    check_ports(fault.ports, MAX_PORTS, problems.at("ports"))
    check_request_conditions(fault, problems)
    check_labels(fault.source_labels, problems.at("source_labels"))
    if fault.source_namespace:
        check_namespace(fault.source_namespace, problems.at("source_namespace"))
    check_cluster_selector(fault.cluster_selector, problems.at("cluster_selector"))


def _check_delay(delay: Delay, ttl: float, problems: Problems) -> None:
    _check_percent(delay.percent, problems.at("percent"))
    fixed = problems.at("fixed_delay")
    check_duration(delay.seconds, MAX_FAULT_TTL, fixed)
    if 0 < ttl < delay.seconds:
        fixed.add(
            f"{delay.seconds:g} s is longer than the ttl of the fault ({ttl:g} s); increase ttl or reduce the delay"
        )


def _check_abort(abort: Abort, problems: Problems) -> None:
    _check_percent(abort.percent, problems.at("percent"))
    if abort.grpc_status:
        if abort.grpc_status not in GRPC_STATUSES:
            problems.at("grpc_status").add(f"must be one of {', '.join(GRPC_STATUSES)}")
    elif not abort.http_status:
        problems.add("http_status (200 to 599) or grpc_status must be set")
    elif not 200 <= abort.http_status <= 599:
        problems.at("http_status").add(f"{abort.http_status} must be between 200 and 599")


def _check_percent(percent: float, problems: Problems) -> None:
    # A NaN compares false with everything.
    if not MIN_PERCENT <= percent <= 100:
        problems.add(f"{percent:g} must be greater than 0 (at least {MIN_PERCENT}) and at most 100")
