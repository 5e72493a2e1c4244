"""What one attempt, and several together, come to, and what policy expected of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil


class Outcome(Enum):
    """What happened to a connection; the meanings are in the contract."""

    REGISTERED = "REGISTERED"
    PASSTHROUGH = "PASSTHROUGH"
    BLOCKED = "BLOCKED"
    UNREACHABLE = "UNREACHABLE"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAULTED = "FAULTED"
    BYPASSED = "BYPASSED"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an outcome is what it is, with what was seen."""

    code: str
    text: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of one attempt; `upstream` is the Envoy cluster that decided it, if any."""

    outcome: Outcome
    upstream: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the policy says. `resource` is empty where a default decides; `also` are outcomes that agree as well, as
    where a fault throws dice."""

    outcome: Outcome
    resource: str = ""
    revision: int = 0
    also: tuple[Outcome, ...] = ()

    def allows(self, outcome: Outcome) -> bool:
        """Whether an outcome agrees."""
        return outcome is self.outcome or outcome in self.also


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """`outcome` is the one that most attempts had; where several lead it is INCONCLUSIVE. `counts` are by outcome, in
    the order in which they were first seen."""

    outcome: Outcome
    counts: dict[Outcome, int]
    causes: tuple[Cause, ...]
    agrees: bool


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Seconds, each one that was measured (nearest rank)."""

    min: float
    p50: float
    p90: float
    p99: float
    max: float


def summarize(verdicts: Sequence[Verdict], expected: Expectation) -> ProbeSummary:
    """What at least one verdict comes to.

    It agrees where the leaders and all that had a verdict are allowed: one blocked connection of a hundred is as wrong
    as a hundred are, while one that other traffic disturbed says nothing.
    """
    counts = Counter(verdict.outcome for verdict in verdicts)
    most = max(counts.values())
    leaders = [outcome for outcome, count in counts.items() if count == most]
    telling = {*leaders, *(outcome for outcome in counts if outcome is not Outcome.INCONCLUSIVE)}
    return ProbeSummary(
        outcome=leaders[0] if len(leaders) == 1 else Outcome.INCONCLUSIVE,
        counts=dict(counts),
        causes=tuple(_causes(verdicts, leaders)),
        agrees=all(expected.allows(outcome) for outcome in telling),
    )


def quantiles(seconds: Iterable[float]) -> Quantiles | None:
    """The quantiles; None of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    p50, p90, p99 = (ordered[ceil(len(ordered) * share / 100) - 1] for share in (50, 90, 99))
    return Quantiles(ordered[0], p50, p90, p99, ordered[-1])


def _causes(verdicts: Sequence[Verdict], leaders: Sequence[Outcome]) -> list[Cause]:
    """Each cause of the leading outcomes once, as it was first seen."""
    found: dict[str, Cause] = {}
    if len(leaders) > 1:
        names = " and ".join(outcome.value for outcome in leaders)
        text = "as many attempts had one outcome as another"
        found["NO_MAJORITY"] = Cause("NO_MAJORITY", text, f"{names} lead with {len(verdicts)} attempts in all")
    for verdict in verdicts:
        if verdict.outcome in leaders:
            for cause in verdict.causes:
                found.setdefault(cause.code, cause)
    return list(found.values())
