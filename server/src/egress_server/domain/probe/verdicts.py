"""Verdicts on attempts, what policy expects of them, and how long they took."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import ceil


class Outcome(Enum):
    """What happened to a connection; the API defines the meanings."""

    REGISTERED = "REGISTERED"
    PASSTHROUGH = "PASSTHROUGH"
    BLOCKED = "BLOCKED"
    UNREACHABLE = "UNREACHABLE"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAULTED = "FAULTED"
    BYPASSED = "BYPASSED"


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason for an outcome, with the evidence."""

    code: str
    text: str
    evidence: str


class Reply(Enum):
    """What a client got through a connection that left the sidecar."""

    ANSWERED = "ANSWERED"
    """The destination answered: with a response, a handshake or a connection, as requested."""
    FAILED = "FAILED"
    """The TLS handshake failed, or the sidecar answered in place of the destination."""
    MISSING = "MISSING"
    """Nothing, in the time that the client waited."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt. `upstream` is the Envoy cluster that determined it, if any; `routed_by` are the
    VirtualServices (NAMESPACE/NAME) of the routes that it may have taken; `reply` matters if it left the sidecar."""

    outcome: Outcome
    upstream: str
    causes: tuple[Cause, ...]
    reply: Reply = Reply.ANSWERED
    routed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service of the sidecar's registry to which it sends connections."""

    host: str
    port: int
    subset: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The outcome that policy asks for. `resource` is empty if a default decides; `also` are further outcomes that
    agree, such as those of requests that a fault with a percentage skips.

    `upstreams` are the services that may get a REGISTERED connection, empty if that is not predicted. `routed_by` is
    the VirtualService (NAMESPACE/NAME) whose route applies, empty if none does. `fault_percent` is the share of
    requests that a fault applies to, 0 if none does or if that is not predicted. `diverted_from` is the service of a
    managed entry if an unmanaged VirtualService sends its connections elsewhere.
    """

    outcome: Outcome
    resource: str = ""
    revision: int = 0
    also: tuple[Outcome, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    routed_by: str = ""
    fault_percent: float = 0.0
    diverted_from: Upstream | None = None

    def allows(self, outcome: Outcome) -> bool:
        """Whether an outcome agrees with it."""
        return outcome is self.outcome or outcome in self.also


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles in seconds, each a measured value (nearest rank)."""

    min: float
    p50: float
    p90: float
    p99: float
    max: float


def quantiles(seconds: Iterable[float]) -> Quantiles | None:
    """The quantiles; None if there are no values."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    p50, p90, p99 = (ordered[ceil(len(ordered) * share / 100) - 1] for share in (50, 90, 99))
    return Quantiles(ordered[0], p50, p90, p99, ordered[-1])
