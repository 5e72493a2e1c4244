"""Clusters of an applier that was started while its store is away: faults end there on time, and nothing else happens.

When a fault ends, the cluster's own objects say, by the store's clock of that time; what time it is now, only our wall
clock says. Without the store nobody can know what else the clusters should hold.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import structlog

from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.domain.model.clusters import Cluster
from egress_server.ports.clock import Clock, system_clock
from egress_server.ports.target import Target, Targets

_log = structlog.get_logger(__name__)


class StandbyApplier:
    """Those of `clusters` that this process may drive."""

    def __init__(self, targets: Targets, clusters: Iterable[Cluster], clock: Clock = system_clock) -> None:
        self._targets = targets
        self._clusters = [cluster for cluster in clusters if targets.drives(cluster)]
        self._clock = clock

    async def run(self) -> None:
        """Ends faults until cancelled, then lets go of the clusters."""
        _log.warning("without_store", clusters=[cluster.id for cluster in self._clusters], does="only ends faults")
        async with asyncio.TaskGroup() as group:
            for cluster in self._clusters:
                group.create_task(self._attend(cluster))

    async def _attend(self, cluster: Cluster) -> None:
        known = _Known(cluster, self._targets)
        ends = FaultTTLEnforcer(cluster.id, known, self._left)
        ending = asyncio.create_task(ends.run(), name=f"faults' ends on {cluster.id}")
        try:
            while True:
                pause = await ends.look()
                await asyncio.sleep(pause)
        finally:
            ending.cancel()
            await asyncio.wait({ending})
            await known.close()

    def _left(self, end: datetime) -> float:
        return (end - self._clock()).total_seconds()


class _Known:
    """The target of a cluster whose registration is as it was last known."""

    def __init__(self, cluster: Cluster, targets: Targets) -> None:
        self._cluster = cluster
        self._targets = targets
        self._target: Target | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> Target:
        """See Opens."""
        async with self._lock:
            if self._target is None:
                self._target = await self._targets.open(self._cluster)
            return self._target

    async def close(self) -> None:
        """Lets go of it."""
        if self._target is not None:
            await self._target.close()
