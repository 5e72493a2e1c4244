"""One cluster's controller: competes for its lease, reconciles while it holds it, and starts over when it is lost."""

import asyncio

import structlog

from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.aio.waiting import wait_for_event
from egress_server.delivery.context import ApplierContext
from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.reconcile.reconciler import Reconciler
from egress_server.delivery.target_handle import TargetHandle
from egress_server.delivery.writers import drop_inventory
from egress_server.domain.model.errors import EgressError

_log = structlog.get_logger(__name__)

_STORE_RETRY_SECONDS = 1.0


class ClusterController:
    """Reconciles `cluster` whenever this process holds its lease, until `stopped` is set."""

    def __init__(self, cluster: str, context: ApplierContext) -> None:
        self.stopped = asyncio.Event()
        self._cluster = cluster
        self._context = context
        self._reconciler: Reconciler | None = None
        self._target = TargetHandle(cluster, lambda: context.registration(cluster), context.targets)
        self._next_scan = 0.0
        self._faults = FaultTTLEnforcer(cluster, self._target, context.store_clock.seconds_until, self.requeue)

    def wake(self) -> None:
        """Desired state has changed."""
        if self._reconciler is not None:
            self._reconciler.wake()

    def requeue(self) -> None:
        """Reconcile although desired state has not changed."""
        if self._reconciler is not None:
            self._reconciler.requeue()

    def stop(self) -> None:
        """Ends `run` after the reconcile in flight."""
        self.stopped.set()
        if self._reconciler is not None:
            self._reconciler.stop()

    def fenced(self) -> None:
        """The store rejected our status of the cluster: a newer applier has taken over."""
        if self._reconciler is not None:
            self._reconciler.lease.fenced()

    async def run(self) -> None:
        """Works until `stop`; then closes the target, and forgets the cluster if it is no longer registered."""
        context = self._context
        try:
            async with asyncio.TaskGroup() as group:
                faults = group.create_task(supervise(Task.FAULT_TTL, self._faults.run, cluster=self._cluster))
                await supervise(Task.RECONCILER, self._compete, stop=self.stopped, cluster=self._cluster)
                faults.cancel()
        finally:
            await self._let_go()
            if context.registration(self._cluster) is None:
                await context.targets.forget(self._cluster)
                await drop_inventory(context.store, context.mesh, self._cluster)

    async def _compete(self) -> None:
        while not self.stopped.is_set():
            await self._attempt()

    async def _attempt(self) -> None:
        """Reconciles while we hold the lease, or pauses if we don't get it.

        If another applier holds it, that one also ends the cluster's faults. While the store can't be reached it is not
        known who holds it, so every applier ends them.
        """
        context, ttl = self._context, self._context.settings.lease
        lease = HeldLease(
            context.store, context.mesh, self._cluster, owner=context.owner, ttl=ttl, monotonic=context.monotonic
        )
        try:
            if await lease.acquire():
                if await context.store_clock.known():
                    await self._reconcile_under(lease)
                return
        except EgressError:
            if context.monotonic() >= self._next_scan:
                self._next_scan = context.monotonic() + await self._faults.scan()
            await wait_for_event(self.stopped, _STORE_RETRY_SECONDS)
            return
        await self._let_go()
        await wait_for_event(self.stopped, ttl / 3)

    async def _let_go(self) -> None:
        """Another applier holds the lease, or the cluster is gone."""
        self._faults.schedule(())
        await self._target.close()

    async def _reconcile_under(self, lease: HeldLease) -> None:
        """Until the lease is lost or `stop` is called."""
        self._reconciler = Reconciler(self._cluster, self._context, lease, self._target, self._faults)
        if self.stopped.is_set():
            self._reconciler.stop()
        try:
            await self._reconciler.run()
        except* LeaseLost as lost:
            _log.warning("lease_lost", cluster=self._cluster, reason=str(lost.exceptions[0]))
        finally:
            self._reconciler = None
            await lease.release()
