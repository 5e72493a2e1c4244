"""What a failed reconcile means for a cluster: how it is shown, and when to try again."""

from dataclasses import dataclass
from random import Random

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.delivery.context import INTERNAL_ERROR
from egress_server.delivery.reconcile.guards import HeldByGuard
from egress_server.domain.model.errors import EgressError, PermanentError, TransientError
from egress_server.domain.model.status import Phase
from egress_server.ports.target import UNREACHABLE

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """How a failed reconcile is shown and retried.

    The retry follows after `retry_in` seconds (None: at the next resync). A newer revision is retried immediately, but
    not before `at_least` seconds, during which the cluster asked not to be called.
    """

    phase: Phase
    reason: str
    message: str
    retry_in: float | None
    at_least: float = 0.0
    token: str = ""
    """Identifies what an operator has to approve."""


def retry_decision(error: Exception, failures: int, backoff: Backoff, random: Random) -> RetryDecision:
    """How to handle `error`, the last of `failures` consecutive ones."""
    pause = backoff.pause(failures, random)
    match error:
        case HeldByGuard():
            return RetryDecision(Phase.HELD, error.reason, error.message, None, token=error.token)
        case PermanentError():
            return RetryDecision(Phase.FAILED, error.reason, error.message, None)
        case TransientError():
            phase = Phase.OFFLINE if error.reason == UNREACHABLE else Phase.FAILED
            at_least = error.retry_after or 0.0
            return RetryDecision(phase, error.reason, error.message, max(pause, at_least), at_least)
        case EgressError():  # of the store, or of an agent's session
            return RetryDecision(Phase.FAILED, error.reason, error.message, pause)
    _log.error("reconcile_crashed", exc_info=error)
    return RetryDecision(Phase.FAILED, "INTERNAL", INTERNAL_ERROR, backoff.most)
