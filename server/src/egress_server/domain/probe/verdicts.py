"""Verdicts on single attempts, summaries of several, and what policy expects of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt; `upstream` is the Envoy cluster that determined it, if any."""

    outcome: Outcome
    upstream: str
    causes: tuple[Cause, ...]


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
    the VirtualService (NAMESPACE/NAME) whose route applies, empty if none does.
    """

    outcome: Outcome
    resource: str = ""
    revision: int = 0
    also: tuple[Outcome, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    routed_by: str = ""

    def allows(self, outcome: Outcome) -> bool:
        """Whether an outcome agrees with it."""
        return outcome is self.outcome or outcome in self.also


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """Several attempts together. `outcome` is the most frequent one, or INCONCLUSIVE if several are equally frequent;
    `counts` are by outcome, in the order of first occurrence."""

    outcome: Outcome
    counts: dict[Outcome, int]
    causes: tuple[Cause, ...]
    agrees: bool


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles in seconds, each a measured value (nearest rank)."""

    min: float
    p50: float
    p90: float
    p99: float
    max: float


def summarize(verdicts: Sequence[Verdict], expected: Expectation) -> ProbeSummary:
    """The summary of at least one verdict.

    It agrees if the most frequent outcomes and all conclusive ones are allowed: one blocked connection in a hundred is
    as wrong as a hundred are, while one that other traffic disturbed proves nothing.
    """
    counts = Counter(verdict.outcome for verdict in verdicts)
    most = max(counts.values())
    leaders = [outcome for outcome, count in counts.items() if count == most]
    relevant = {*leaders, *(outcome for outcome in counts if outcome is not Outcome.INCONCLUSIVE)}
    return ProbeSummary(
        outcome=leaders[0] if len(leaders) == 1 else Outcome.INCONCLUSIVE,
        counts=dict(counts),
        causes=tuple(_causes(verdicts, leaders)),
        agrees=all(expected.allows(outcome) for outcome in relevant),
    )


def quantiles(seconds: Iterable[float]) -> Quantiles | None:
    """The quantiles; None if there are no values."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    p50, p90, p99 = (ordered[ceil(len(ordered) * share / 100) - 1] for share in (50, 90, 99))
    return Quantiles(ordered[0], p50, p90, p99, ordered[-1])


def _causes(verdicts: Sequence[Verdict], leaders: Sequence[Outcome]) -> list[Cause]:
    """Each cause of the most frequent outcomes, as it first occurred."""
    found: dict[str, Cause] = {}
    if len(leaders) > 1:
        names = " and ".join(outcome.value for outcome in leaders)
        text = "no outcome occurred more often than the others"
        found["NO_MAJORITY"] = Cause("NO_MAJORITY", text, f"{names} are equally frequent in {len(verdicts)} attempts")
    for verdict in verdicts:
        if verdict.outcome in leaders:
            for cause in verdict.causes:
                found.setdefault(cause.code, cause)
    return list(found.values())
