"""One cluster's worker: waits for the lease, drives the cluster as long as it holds, and begins again."""

import asyncio

import structlog

from egress_server.delivery.lease import HeldLease, LeaseLost
from egress_server.delivery.shop import Shop
from egress_server.delivery.tenure import Tenure
from egress_server.delivery.waiting import wait_for

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


class Worker:
    """Drives `cluster` whenever this process holds its lease."""

    def __init__(self, cluster: str, shop: Shop) -> None:
        self._cluster = cluster
        self._shop = shop
        self._stopped = asyncio.Event()
        self._tenure: Tenure | None = None

    def wake(self) -> None:
        """Desired state has changed."""
        if self._tenure is not None:
            self._tenure.wake()

    def stop(self) -> None:
        """Ends `run` once the cycle in flight is done."""
        self._stopped.set()
        if self._tenure is not None:
            self._tenure.stop()

    def refuse(self) -> None:
        """The store did not take our record of the cluster: a younger applier drives it."""
        if self._tenure is not None:
            self._tenure.lease.refuse()

    async def run(self) -> None:
        """Drives the cluster until `stop`."""
        shop, ttl = self._shop, self._shop.settings.lease
        while not self._stopped.is_set():
            lease = HeldLease(shop.store, shop.mesh, self._cluster, owner=shop.owner, ttl=ttl, monotonic=shop.monotonic)
            if await lease.acquire():
                await self._drive(lease)
            else:
                await wait_for(self._stopped, ttl / 3)

    async def _drive(self, lease: HeldLease) -> None:
        """One tenure: until the lease is lost or `stop` is called."""
        self._tenure = Tenure(self._cluster, self._shop, lease)
        if self._stopped.is_set():
            self._tenure.stop()
        try:
            await self._tenure.run()
        except* LeaseLost as lost:
            _log.warning("lease_lost", cluster=self._cluster, why=str(lost.exceptions[0]))
        except* Exception as crash:  # noqa: BLE001 - somebody must go on driving the cluster
            _log.error("tenure_crashed", cluster=self._cluster, exc_info=crash)
            await wait_for(self._stopped, _PAUSE_SECONDS)
        finally:
            self._tenure = None
            await lease.release()
