"""Detects that other clients keep istiod debouncing: it waits for a pause in the writes before it pushes, ten seconds
at most.

A write every 50 ms delays every change by nearly ten seconds, and nothing else shows it.
"""

from collections import deque
from collections.abc import Callable
from itertools import pairwise

from egress_server.domain.model.status import Problem

ISTIOD_DEBOUNCING = "ISTIOD_DEBOUNCING"
_PAUSE_SECONDS = 0.15
_LONGEST_SECONDS = 10.5
_PUSHED_KINDS = frozenset({"ServiceEntry", "VirtualService", "DestinationRule", "Sidecar", "Service"})


class ForeignWrites:
    """Writes of other clients that make istiod push, among the watched objects."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._applied: float | None = None
        self._seen: deque[tuple[float, str, str]] = deque(maxlen=1000)

    def applied(self) -> None:
        """We have just written."""
        self._applied = self._monotonic()
        self._seen.clear()

    def record(self, kind: str, writer: str) -> None:
        """Another client has written."""
        if kind in _PUSHED_KINDS:
            self._seen.append((self._monotonic(), kind, writer))

    def propagation_problem(self) -> Problem | None:
        """What delays our last write on its way to the sidecars."""
        now = self._monotonic()
        if self._applied is None or now - self._applied > _LONGEST_SECONDS or not self._seen:
            return None
        moments = [self._applied, *(moment for moment, _, _ in self._seen), now]
        if any(later - earlier >= _PAUSE_SECONDS for earlier, later in pairwise(moments)):
            return None
        who = sorted({f"{kind} by {writer or 'an unknown manager'}" for _, kind, writer in self._seen})
        return Problem(
            ISTIOD_DEBOUNCING,
            f"istiod is debouncing: other clients wrote {len(self._seen)} times in the last "
            f"{now - self._applied:.1f} s ({', '.join(who)}); it pushes after a 100 ms pause, 10 s at most",
        )
