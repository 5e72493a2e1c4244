"""An applier that runs on a small mesh of fakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random

from egress_server.delivery.manager import ControllerManager
from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus, Phase
from tests.support.doubles.memory_store import MemoryReplica
from tests.support.doubles.memory_target import MemoryTargets, loop_time
from tests.support.meshes import BIRTH, MESH, cluster
from tests.support.waiting import until
from tests.unit.delivery.fakes import FakeAgents, FakeStore

DEFAULTS = DeliverySettings()


def clock() -> datetime:
    """Wall-clock time that goes with the loop's."""
    return BIRTH + timedelta(seconds=loop_time())


class World:
    """A mesh with clusters `east` (and others), a store, targets, agents."""

    def __init__(self, *resources: Resource, clusters: tuple[str, ...] = ("east",)) -> None:
        self.store = FakeStore()
        self.replica = MemoryReplica(self.store)
        for resource in (MESH, *(cluster(id_) for id_ in clusters), *resources):
            self.store.put(resource)
        self.targets = MemoryTargets()
        self.agents = FakeAgents(self.targets)

    def set(self, resource: Resource) -> int:
        """Another caller sets a resource; the revision."""
        return self.store.put(resource).change.revision

    def delete(self, resource: Resource) -> int:
        """Another caller deletes a resource; the revision."""
        return self.store.put(resource, deleted=True).change.revision

    def applier(self, settings: DeliverySettings = DEFAULTS, owner: str = "us") -> ControllerManager:
        """An applier, not running yet."""
        return ControllerManager(
            mesh="default",
            owner=owner,
            store=self.store,
            replica=self.replica,
            targets=self.targets,
            agents=self.agents,
            settings=settings,
            clock=clock,
            monotonic=loop_time,
            random=Random(1),
        )

    @asynccontextmanager
    async def driven(self, settings: DeliverySettings = DEFAULTS) -> AsyncIterator[None]:
        """A running applier; stopped at the end."""
        task = asyncio.create_task(self.applier(settings).run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def status(self, cluster_id: str = "east") -> ClusterStatus:
        """The record of a cluster in the replica."""
        return self.replica.statuses.get(cluster_id, ClusterStatus(cluster_id, Phase.SETTLED))

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Waits for a condition; much sooner than `seconds`."""
        await until(condition, seconds=seconds, poll=0.005)

    async def applied(self, cluster_id: str = "east", seconds: float = 30.0) -> None:
        """Waits until the cluster holds the newest revision."""
        await self.until(lambda: self.status(cluster_id).applied_revision == self.replica.snapshot.revision, seconds)

    async def verified(self, cluster_id: str = "east", seconds: float = 30.0) -> None:
        """Waits until the newest revision was verified, whatever the outcome."""
        await self.until(lambda: self.status(cluster_id).verified_revision == self.replica.snapshot.revision, seconds)
