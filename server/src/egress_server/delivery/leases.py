"""The lease that gives one applier the right to change a cluster, timed by the monotonic clock."""

import asyncio

from egress_server.aio.backoff import Backoff
from egress_server.aio.waiting import wait_for_event
from egress_server.domain.model.errors import EgressError
from egress_server.ports.clock import Monotonic
from egress_server.ports.store import ApplierStore, Lease

_RENEWAL = Backoff(0.5, 0.5)
"""Between attempts to renew a lease while the store can't be reached."""


class LeaseLost(Exception):
    """Another applier may be changing the cluster by now: stop touching it."""


class HeldLease:
    """The lease on one cluster, held by `owner` for `ttl` seconds at a time."""

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
        self._fenced = asyncio.Event()

    @property
    def fence(self) -> int:
        """The fencing token of this lease; 0 before it was acquired."""
        return self._lease.fence

    async def acquire(self) -> bool:
        """Takes the lease; False if another owner holds it. Raises what the store raises."""
        lease = await self._store.acquire(self._mesh, self._cluster, self._owner, self._ttl)
        if lease is not None:
            self._lease = lease
        return lease is not None

    def check(self) -> None:
        """Call before each request to the cluster. Raises LeaseLost."""
        if self._fenced.is_set():
            raise LeaseLost(f"a newer applier has taken over {self._cluster}")
        if self._monotonic() >= self._lease.deadline:
            raise LeaseLost(f"the lease on {self._cluster} expired before it was renewed")

    def fenced(self) -> None:
        """The store rejected our fencing token: the lease is lost, whatever the clock says."""
        self._fenced.set()

    async def keep(self) -> None:
        """Renews after each third of the ttl, until cancelled. Raises LeaseLost once the lease is lost."""
        pause = 0.0
        while True:
            left = self._lease.deadline - self._monotonic()
            await wait_for_event(self._fenced, max(0.0, min(left, max(pause, left - self._ttl * 2 / 3))))
            self.check()
            pause = 0.0 if await self._renew() else _RENEWAL.pause(1)

    async def release(self) -> None:
        """Gives the lease back, so that another applier need not wait until it expires."""
        try:
            await self._store.release(self._mesh, self._cluster, self._owner)
        except EgressError:
            return

    async def _renew(self) -> bool:
        """False if the store can't be reached."""
        try:
            async with asyncio.timeout(max(0.0, self._lease.deadline - self._monotonic())):
                lease = await self._store.acquire(self._mesh, self._cluster, self._owner, self._ttl)
        except (EgressError, TimeoutError):
            return False
        if lease is None or lease.fence != self._lease.fence:
            raise LeaseLost(f"another applier held the lease on {self._cluster} meanwhile")
        self._lease = lease
        return True
