"""Measures how long the event loop is blocked: everything in the process waits meanwhile."""

import asyncio
from collections.abc import Callable

from egress_server.telemetry import metrics

TICK_SECONDS = 0.01


class LoopWatch:
    """Observes how late each tick of the running event loop is, from `start` to `stop`."""

    def __init__(self, observe: Callable[[float], None] = metrics.LOOP_STALL_SECONDS.observe) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts the first tick."""
        self._schedule()

    def stop(self) -> None:
        """Ends with the current tick."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        due = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        self._observe(max(0.0, self._loop.time() - due))
        self._schedule()
