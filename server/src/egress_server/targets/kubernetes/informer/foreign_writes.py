"""Whether others keep istiod from telling its sidecars: it waits for a pause in the writes, ten seconds at most.

A write every 50 ms holds every change back for nearly ten seconds, and nothing else shows it.
"""

from collections import deque
from collections.abc import Callable
from itertools import pairwise

from egress_server.domain.model.status import Problem

ISTIOD_DEBOUNCING = "ISTIOD_DEBOUNCING"
_PAUSE_SECONDS = 0.15
_LONGEST_SECONDS = 10.5
_HEEDED = frozenset({"ServiceEntry", "VirtualService", "DestinationRule", "Sidecar", "Service"})


class ForeignWrites:
    """The writes of others that istiod heeds, as far as they are followed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._applied: float | None = None
        self._seen: deque[tuple[float, str, str]] = deque(maxlen=1000)

    def applied(self) -> None:
        """We have just written."""
        self._applied = self._monotonic()
        self._seen.clear()

    def saw(self, kind: str, writer: str) -> None:
        """Somebody else has written."""
        if kind in _HEEDED:
            self._seen.append((self._monotonic(), kind, writer))

    def holding_up(self) -> Problem | None:
        """What keeps our last write from the sidecars."""
        now = self._monotonic()
        if self._applied is None or now - self._applied > _LONGEST_SECONDS or not self._seen:
            return None
        moments = [self._applied, *(moment for moment, _, _ in self._seen), now]
        if any(later - earlier >= _PAUSE_SECONDS for earlier, later in pairwise(moments)):
            return None
        who = sorted({f"{kind} by {writer or 'an unknown manager'}" for _, kind, writer in self._seen})
        return Problem(
            ISTIOD_DEBOUNCING,
            f"for {now - self._applied:.1f} s others have been writing without a pause ({len(self._seen)} writes: "
            f"{', '.join(who)}), and istiod holds all changes back until there is one, 10 s at most",
        )
