"""What an attempt came to, and what the policy said it should."""

from dataclasses import dataclass
from enum import Enum


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
