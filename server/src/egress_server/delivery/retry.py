"""What a failure means for a cluster: how it is shown, and when to try again."""

from dataclasses import dataclass
from random import Random

import structlog

from egress_server.delivery.guards import HeldByGuard
from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.errors import EgressError, PermanentError, TransientError
from egress_server.domain.model.status import Phase
from egress_server.ports.target import UNREACHABLE

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """A cycle that failed.

    `retry_in` seconds it is tried again; None: only at the next resync. A newer revision is reason to try at once,
    though not before `at_least` seconds: so long the cluster itself asked to be left alone.
    """

    phase: Phase
    reason: str
    message: str
    retry_in: float | None
    at_least: float = 0.0
    token: str = ""
    """What somebody has to say yes to."""


def retry_decision(error: Exception, failures: int, settings: DeliverySettings, random: Random) -> RetryDecision:
    """What `error` means after `failures` failed cycles before it."""
    match error:
        case HeldByGuard():
            return RetryDecision(Phase.HELD, error.reason, error.message, None, token=error.token)
        case PermanentError():
            return RetryDecision(Phase.FAILED, error.reason, error.message, None)
        case TransientError():
            phase = Phase.OFFLINE if error.reason == UNREACHABLE else Phase.FAILED
            at_least = error.retry_after or 0.0
            pause = max(backoff(failures, settings, random), at_least)
            return RetryDecision(phase, error.reason, error.message, pause, at_least)
        case EgressError():  # the store, or an agent's session
            return RetryDecision(Phase.FAILED, error.reason, error.message, backoff(failures, settings, random))
    _log.error("cycle_crashed", exc_info=error)
    return RetryDecision(
        Phase.FAILED, "INTERNAL", "an error of mesh-egress itself; its log says more", settings.backoff_most
    )


def backoff(failures: int, settings: DeliverySettings, random: Random) -> float:
    """Doubling pauses with jitter, so that clusters that failed together don't return together."""
    pause = min(settings.backoff_most, settings.backoff_first * 2.0 ** min(failures, 16))
    return pause * random.uniform(0.5, 1.0)
