"""Takes faults out of service when they end, whether or not anybody drives the cluster then.

Why it exists: a fault is leased. Its end must not depend on the server, the store or a client being there. The wall
clock says how long a fault has when it is first seen here; from then on only time that passes counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

import structlog

from egress_server.domain.errors import PermanentError, TransientError
from egress_server.domain.render.objects import IstioObject
from egress_server.domain.render.strip import next_end
from egress_server.ports.clock import Clock

_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0


class FaultTimer:
    """Calls `strip` with the moment of the next end as soon as it has come, and again until that succeeds."""

    def __init__(self, strip: Callable[[datetime], Awaitable[None]], clock: Clock) -> None:
        self._strip = strip
        self._clock = clock
        self._end: datetime | None = None
        self._deadline: float | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def watch(self, objects: Iterable[IstioObject]) -> None:
        """Wait for the next end of these objects from now on. One that was awaited already keeps its time."""
        end = next_end(objects)
        if end == self._end:
            return
        self._end = end
        remaining = None if end is None else (end - self._clock()).total_seconds()
        self._deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        self._changed.set()

    def start(self) -> None:
        """Run until `stop`."""
        self._task = asyncio.create_task(self._run(), name="faults' ends")

    async def stop(self) -> None:
        """Harmless when it is not running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._changed.wait()
            except TimeoutError:
                await self._expire()

    async def _expire(self) -> None:
        if self._end is None:
            return
        try:
            await self._strip(self._end)
        except (PermanentError, TransientError) as error:
            _log.warning("fault_not_ended", end=self._end.isoformat(), reason=error.reason, error=error.message)
            self._deadline = asyncio.get_running_loop().time() + _RETRY_SECONDS
