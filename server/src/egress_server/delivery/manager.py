"""Drives the registered clusters of a mesh that this process may: one worker each, kept in step with desired state."""

import asyncio
import time
from functools import partial
from random import Random

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.controller import ClusterController
from egress_server.delivery.digests import Digests
from egress_server.delivery.faults.expirer import FaultExpirer
from egress_server.delivery.inventory_writer import drop_inventory
from egress_server.delivery.leases import StoreClock
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.status_writer import StatusWriter
from egress_server.domain.model.errors import EgressError
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Monotonic, system_clock
from egress_server.ports.store import ApplierStore, Replica
from egress_server.ports.target import Targets

_log = structlog.get_logger(__name__)

_RESTART_SECONDS = 1.0


class ControllerManager:
    """The delivery of one mesh by one process.

    `owner` names this process in the leases. An owner that comes back with the same name, as a single process with a
    store of its own may, takes its clusters up at once; otherwise the name must be new with each start.
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
        self._shop = ApplierContext(
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
            statuses=StatusWriter(store, mesh, self._refused),
            digests=Digests(store, mesh, monotonic),
            store_clock=StoreClock(store, monotonic, settings.clock, clock),
            slots=asyncio.Semaphore(settings.concurrency),
        )
        self._expirer = FaultExpirer(self._shop)
        self._workers: dict[str, ClusterController] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._seen = ("", -1)
        self._resyncs = dict(replica.resyncs)
        self._stopping = False

    async def run(self) -> None:
        """Drives the clusters until cancelled. Then cycles in flight may end by themselves for the settings' grace, the
        leases are given back and the last records written, and only then the cancellation goes through."""
        shop = self._shop
        statuses = asyncio.create_task(shop.statuses.run())
        others = {asyncio.create_task(shop.store_clock.keep()), asyncio.create_task(self._expirer.run())}
        try:
            with shop.replica.watch() as changes:
                self._follow()
                await self._drop_inventories()
                async for _ in changes:
                    self._follow()
        finally:
            await self._stop()
            for task in (statuses, *others):
                task.cancel()
            await asyncio.wait({statuses, *others})
            await self._write_last_records()

    def _follow(self) -> None:
        """Brings the workers in step with the snapshot; cheap where only statuses have changed."""
        self._expirer.wake()
        self._look_again()
        snapshot = self._shop.replica.snapshot
        if (snapshot.epoch, snapshot.revision) == self._seen:
            return
        self._seen = (snapshot.epoch, snapshot.revision)
        self._keep_workers()
        for worker in self._workers.values():
            worker.wake()

    async def _drop_inventories(self) -> None:
        """Those of clusters that were deregistered while nobody drove them."""
        replica = self._shop.replica
        registered = {cluster.id for cluster in replica.snapshot.clusters()}
        for cluster in replica.inventories.keys() - registered:
            await drop_inventory(cluster, self._shop)

    def _look_again(self) -> None:
        """Has the workers look at clusters that somebody asked for."""
        for cluster, count in self._shop.replica.resyncs.items():
            if self._resyncs.get(cluster) != count and (worker := self._workers.get(cluster)):
                worker.look_again()
            self._resyncs[cluster] = count

    def _keep_workers(self) -> None:
        """One worker for each registered cluster that we may drive. One that stops keeps its place until it is gone, so
        that a cluster never has two."""
        if self._stopping:
            return
        clusters, drives = self._shop.replica.snapshot.clusters(), self._shop.targets.drives
        ours = {cluster.id for cluster in clusters if drives(cluster)}
        for cluster, worker in self._workers.items():
            if cluster not in ours:
                worker.stop()
        for cluster in ours - self._workers.keys():
            self._workers[cluster] = worker = ClusterController(cluster, self._shop)
            self._tasks[cluster] = task = asyncio.create_task(worker.run())
            task.add_done_callback(partial(self._ended, cluster))

    def _ended(self, cluster: str, task: asyncio.Task[None]) -> None:
        del self._workers[cluster], self._tasks[cluster]
        if not task.cancelled() and (error := task.exception()):
            _log.error("worker_crashed", cluster=cluster, exc_info=error)
            asyncio.get_running_loop().call_later(_RESTART_SECONDS, self._keep_workers)
        else:
            self._keep_workers()

    def _refused(self, cluster: str) -> None:
        if worker := self._workers.get(cluster):
            worker.refuse()

    async def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.stop()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._shop.settings.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_last_records(self) -> None:
        try:
            await self._shop.statuses.flush()
        except EgressError as error:
            _log.warning("status_not_written", reason=error.reason, message=error.message)
