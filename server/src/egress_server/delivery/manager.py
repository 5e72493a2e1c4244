"""Runs one controller for each registered cluster of a mesh that this process may reconcile."""

import asyncio
import time
from functools import partial
from random import Random

import structlog

from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.delivery.context import ApplierContext, RevisionDigests, StoreClock
from egress_server.delivery.controller import ClusterController
from egress_server.delivery.faults.expirer import FaultExpirer
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.writers import StatusWriter, drop_inventory
from egress_server.domain.model.errors import EgressError
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Monotonic, system_clock
from egress_server.ports.store import ApplierStore, Replica
from egress_server.ports.target import Targets

_log = structlog.get_logger(__name__)


class ControllerManager:
    """The applier of one mesh in one process.

    `owner` names this process in the leases. An owner that comes back under the same name, as the only process of an
    embedded store may, gets its clusters back immediately; any other process must choose a new name at each start.
    """

    def __init__(
        self,
        *,
        mesh: str,
        owner: str,
        store: ApplierStore,
        replica: Replica,
        targets: Targets,
        agents: AgentSessions,
        settings: DeliverySettings = DeliverySettings(),  # noqa: B008 - frozen
        clock: Clock = system_clock,
        monotonic: Monotonic = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self._context = ApplierContext(
            mesh=mesh,
            owner=owner,
            store=store,
            replica=replica,
            targets=targets,
            agents=agents,
            clock=clock,
            monotonic=monotonic,
            random=random or Random(),
            settings=settings,
            statuses=StatusWriter(store, mesh, self._fenced),
            digests=RevisionDigests(store, mesh, monotonic),
            store_clock=StoreClock(store, monotonic, settings.clock, clock),
            slots=asyncio.Semaphore(settings.concurrency),
        )
        self._expirer = FaultExpirer(self._context)
        self._controllers: dict[str, ClusterController] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._synced = ("", -1)
        self._resyncs = dict(replica.resyncs)
        self._stopping = False

    async def run(self) -> None:
        """Reconciles the clusters until cancelled. Then reconciles in flight get the settings' grace period, leases are
        released and the last statuses written before the cancellation goes through."""
        context = self._context
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(supervise(task, work, expected=(EgressError,)))
                    for task, work in (
                        (Task.STATUS_WRITER, context.statuses.run),
                        (Task.STORE_CLOCK, context.store_clock.keep),
                        (Task.FAULT_EXPIRER, self._expirer.run),
                    )
                ]
                try:
                    with context.replica.watch() as changes:
                        self._sync(group)
                        await self._drop_orphaned_inventories()
                        async for _ in changes:
                            self._sync(group)
                finally:
                    await self._stop_controllers()
                    for helper in helpers:
                        helper.cancel()
        finally:
            await self._write_last_statuses()

    def _sync(self, group: asyncio.TaskGroup) -> None:
        """Follows the replica; cheap if only statuses have changed."""
        self._expirer.wake()
        self._requeue_resynced()
        snapshot = self._context.replica.snapshot
        if (snapshot.epoch, snapshot.revision) == self._synced:
            return
        self._synced = (snapshot.epoch, snapshot.revision)
        self._sync_controllers(group)
        for controller in self._controllers.values():
            controller.wake()

    async def _drop_orphaned_inventories(self) -> None:
        """Of clusters that were deregistered while no applier was responsible for them."""
        context = self._context
        registered = {cluster.id for cluster in context.replica.snapshot.clusters()}
        for cluster in context.replica.inventories.keys() - registered:
            await drop_inventory(context.store, context.mesh, cluster)

    def _requeue_resynced(self) -> None:
        """Requeues the clusters for which a resync was requested."""
        for cluster, count in self._context.replica.resyncs.items():
            if self._resyncs.get(cluster) != count and (controller := self._controllers.get(cluster)):
                controller.requeue()
            self._resyncs[cluster] = count

    def _sync_controllers(self, group: asyncio.TaskGroup) -> None:
        """One controller for each registered cluster that we may reconcile. One that stops stays listed until it has
        ended, so that a cluster never has two."""
        if self._stopping:
            return
        clusters, drives = self._context.replica.snapshot.clusters(), self._context.targets.drives
        wanted = {cluster.id for cluster in clusters if drives(cluster)}
        for cluster, controller in self._controllers.items():
            if cluster not in wanted:
                controller.stop()
        for cluster in wanted - self._controllers.keys():
            self._controllers[cluster] = controller = ClusterController(cluster, self._context)
            work = supervise(Task.CLUSTER_CONTROLLER, controller.run, stop=controller.stopped, cluster=cluster)
            self._tasks[cluster] = task = group.create_task(work)
            task.add_done_callback(partial(self._ended, group, cluster))

    def _ended(self, group: asyncio.TaskGroup, cluster: str, _: asyncio.Task[None]) -> None:
        del self._controllers[cluster], self._tasks[cluster]
        self._sync_controllers(group)

    def _fenced(self, cluster: str) -> None:
        if controller := self._controllers.get(cluster):
            controller.fenced()

    async def _stop_controllers(self) -> None:
        self._stopping = True
        for controller in self._controllers.values():
            controller.stop()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._context.settings.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_last_statuses(self) -> None:
        try:
            await self._context.statuses.flush()
        except EgressError as error:
            _log.warning("status_not_written", reason=error.reason, message=error.message)
