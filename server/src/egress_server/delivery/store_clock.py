"""What time it is by the store's clock, without asking it each time.

Faults end by that clock, since all processes share it. Between two answers of the store, and for as long as it is
away, our own monotonic clock goes on from the last one. A process that has never heard from it goes by its own wall
clock.
"""

import asyncio
from datetime import datetime, timedelta

from egress_server.domain.errors import EgressError
from egress_server.ports.clock import Clock, Monotonic
from egress_server.ports.store import ApplierStore

_RETRY_SECONDS = 0.5


class StoreClock:
    """The store's clock as of its last answer, `interval` seconds ago at most while the store is there."""

    def __init__(self, store: ApplierStore, monotonic: Monotonic, interval: float, wall: Clock) -> None:
        self._store = store
        self._wall = wall
        self._monotonic = monotonic
        self._interval = interval
        self._heard: tuple[datetime, float] | None = None

    async def known(self) -> bool:
        """Whether the time is known; asks for it where it is not yet."""
        return self._heard is not None or await self._ask()

    def now(self) -> datetime:
        """The time, rather late than early: an answer is old when it arrives. To be called once it is `known`."""
        assert self._heard is not None
        time, heard_at = self._heard
        return time + timedelta(seconds=self._monotonic() - heard_at)

    def left(self, time: datetime) -> float:
        """The seconds until `time`."""
        now = self._wall() if self._heard is None else self.now()
        return (time - now).total_seconds()

    async def keep(self) -> None:
        """Asks the store again and again, until cancelled."""
        while True:
            pause = self._interval if await self._ask() else _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _ask(self) -> bool:
        try:
            time = await self._store.now()
        except EgressError:
            return False
        self._heard = time, self._monotonic()
        return True
