"""The right to drive a cluster, measured by the store's clock, and knowing in time that it is lost."""

import asyncio
from datetime import datetime, timedelta

from egress_server.delivery.waiting import wait_for_event
from egress_server.domain.model.errors import EgressError
from egress_server.ports.clock import Clock, Monotonic
from egress_server.ports.store import ApplierStore, Lease

_RETRY_SECONDS = 0.5


class LeaseLost(Exception):
    """Another applier may drive the cluster now: touch it no more."""


class HeldLease:
    """The lease on one cluster, by `owner`, for `ttl` seconds at a time."""

    def __init__(
        self, store: ApplierStore, mesh: str, cluster: str, *, owner: str, ttl: float, monotonic: Monotonic
    ) -> None:
        self._store = store
        self._mesh = mesh
        self._cluster = cluster
        self._owner = owner
        self._ttl = ttl
        self._monotonic = monotonic
        self._lease = Lease(cluster, 0, 0.0)
        self._refused = asyncio.Event()

    @property
    def fence(self) -> int:
        """The number of this tenure; 0 before it began."""
        return self._lease.fence

    async def acquire(self) -> bool:
        """Takes the lease; False where another owner holds it. Raises what the store raises."""
        lease = await self._store.acquire(self._mesh, self._cluster, self._owner, self._ttl)
        if lease is not None:
            self._lease = lease
        return lease is not None

    def check(self) -> None:
        """To be called before each request to the cluster; raises LeaseLost."""
        if self._refused.is_set():
            raise LeaseLost(f"a younger applier drives {self._cluster}")
        if self._monotonic() >= self._lease.deadline:
            raise LeaseLost(f"the lease on {self._cluster} ran out before it was renewed")

    def refuse(self) -> None:
        """The store refused our fence: the lease is gone, whatever the clock says."""
        self._refused.set()

    async def keep(self) -> None:
        """Renews until cancelled; raises LeaseLost when the lease is lost."""
        pause = self._ttl / 3
        while True:
            await wait_for_event(self._refused, min(pause, max(0.0, self._lease.deadline - self._monotonic())))
            self.check()
            pause = self._ttl / 3 if await self._renew() else _RETRY_SECONDS

    async def release(self) -> None:
        """Gives the lease back, so that another applier need not wait for its end; it runs out by itself otherwise."""
        try:
            await self._store.release(self._mesh, self._cluster, self._owner)
        except EgressError:
            return

    async def _renew(self) -> bool:
        """False where the store can't be asked just now."""
        try:
            async with asyncio.timeout(max(0.0, self._lease.deadline - self._monotonic())):
                lease = await self._store.acquire(self._mesh, self._cluster, self._owner, self._ttl)
        except (EgressError, TimeoutError):
            return False
        if lease is None or lease.fence != self._lease.fence:
            raise LeaseLost(f"{self._cluster} was driven by another applier meanwhile")
        self._lease = lease
        return True


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
