"""Which faults apply to a request, and how messages describe them."""

from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, MatchKind, StringMatch
from egress_server.domain.model.selectors import Labels
from egress_server.domain.simulate.istiod.requests import Request


def fault_mismatch(fault: Fault, request: Request) -> str:
    """Why a fault on the host of a request does not apply to it; empty if it does. A regular expression counts as
    matching, because only the sidecar can evaluate it."""
    if fault.ports and request.destination.port not in fault.ports:
        return f"applies only to port {', '.join(map(str, fault.ports))}"
    if fault.source_namespace not in {"", request.namespace}:
        return f"applies only to workloads in namespace {fault.source_namespace}"
    if not fault.source_labels.items() <= request.labels.items():
        return f"applies only to workloads labeled {format_labels(fault.source_labels)}"
    given = {name.lower(): value for name, value in request.headers.items()}
    conditions: list[tuple[str, StringMatch | HeaderMatch | None, str | None]] = [
        ("path", fault.match_uri, request.destination.path.partition("?")[0]),
        ("method", fault.match_method, request.method),
        ("authority", fault.match_authority, request.authority),
        *((f"header {match.name}", match, given.get(match.name)) for match in fault.match_headers),
    ]
    for what, match, value in conditions:
        if match and not _matches(match, value):
            return f"applies only to requests whose {what} {_condition(match)}"
    return ""


def fault_percent(delay: Delay | None, abort: Abort | None) -> float:
    """The percentage of matching requests that are delayed, aborted, or both."""
    spared = 1.0
    for part in (delay, abort):
        spared *= 1 - part.percent / 100 if part else 1
    return round(100 * (1 - spared), 6)


def describe_effect(delay: Delay | None, abort: Abort | None) -> str:
    """What a fault does to requests, for messages."""
    parts = []
    if delay:
        parts.append(f"delays {delay.percent:g}% of requests by {delay.seconds:g} s")
    if abort:
        status = f"HTTP {abort.http_status}" if abort.http_status else f"gRPC {abort.grpc_status}"
        parts.append(f"aborts {abort.percent:g}% of requests with {status}")
    return " and ".join(parts)


def format_labels(labels: Labels) -> str:
    """Labels as in a Kubernetes label selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _matches(match: HeaderMatch | StringMatch, value: str | None) -> bool:
    if value is None:
        return False
    if match.kind is MatchKind.EXACT:
        return value == match.value
    return match.kind is not MatchKind.PREFIX or value.startswith(match.value)


def _condition(match: HeaderMatch | StringMatch) -> str:
    verbs = {MatchKind.EXACT: "is", MatchKind.PREFIX: "starts with", MatchKind.REGEX: "matches"}
    return f"{verbs[match.kind]} {match.value!r}" if match.kind in verbs else "is present"
