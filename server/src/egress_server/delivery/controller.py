"""One cluster's worker: waits for the lease, drives the cluster as long as it holds, and begins again."""

import asyncio

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.delivery.inventory_writer import drop_inventory
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.reconciler import Reconciler
from egress_server.delivery.target_handle import TargetHandle
from egress_server.delivery.waiting import wait_for_event
from egress_server.domain.model.errors import EgressError

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


class ClusterController:
    """Drives `cluster` whenever this process holds its lease."""

    def __init__(self, cluster: str, shop: ApplierContext) -> None:
        self._cluster = cluster
        self._shop = shop
        self._stopped = asyncio.Event()
        self._tenure: Reconciler | None = None
        self._place = TargetHandle(cluster, shop)
        self._look_at = 0.0
        self._fault_ends = FaultTTLEnforcer(cluster, self._place, shop.store_clock.left, self.look_again)

    def wake(self) -> None:
        """Desired state has changed."""
        if self._tenure is not None:
            self._tenure.wake()

    def look_again(self) -> None:
        """There is reason to look at the cluster although desired state has not changed."""
        if self._tenure is not None:
            self._tenure.look_again()

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
        """Drives the cluster until `stop`; then lets go of it, and wholly if it is no longer registered."""
        fault_ends = asyncio.create_task(self._fault_ends.run(), name=f"faults' ends on {self._cluster}")
        try:
            while not self._stopped.is_set():
                await self._attempt()
        finally:
            fault_ends.cancel()
            await asyncio.wait({fault_ends})
            await self._let_go()
            if self._shop.replica.snapshot.cluster(self._cluster) is None:
                await self._shop.targets.forget(self._cluster)
                await drop_inventory(self._cluster, self._shop)

    async def _attempt(self) -> None:
        """One tenure where we get the lease, else a pause.

        Where another applier holds it the cluster's faults are its business. While the store is away nobody knows
        who that is, and they are everybody's.
        """
        shop, ttl = self._shop, self._shop.settings.lease
        lease = HeldLease(shop.store, shop.mesh, self._cluster, owner=shop.owner, ttl=ttl, monotonic=shop.monotonic)
        try:
            if await lease.acquire():
                if await shop.store_clock.known():
                    await self._drive(lease)
                return
        except EgressError:
            if shop.monotonic() >= self._look_at:
                self._look_at = shop.monotonic() + await self._fault_ends.look()
            await wait_for_event(self._stopped, _PAUSE_SECONDS)
            return
        await self._let_go()
        await wait_for_event(self._stopped, ttl / 3)

    async def _let_go(self) -> None:
        """The cluster is no longer ours to drive, or no longer there."""
        self._fault_ends.expect(())
        await self._place.close()

    async def _drive(self, lease: HeldLease) -> None:
        """One tenure: until the lease is lost or `stop` is called."""
        self._tenure = Reconciler(self._cluster, self._shop, lease, self._place, self._fault_ends)
        if self._stopped.is_set():
            self._tenure.stop()
        try:
            await self._tenure.run()
        except* LeaseLost as lost:
            _log.warning("lease_lost", cluster=self._cluster, why=str(lost.exceptions[0]))
        except* Exception as crash:  # noqa: BLE001 - somebody must go on driving the cluster
            _log.error("tenure_crashed", cluster=self._cluster, exc_info=crash)
            await wait_for_event(self._stopped, _PAUSE_SECONDS)
        finally:
            self._tenure = None
            await lease.release()
