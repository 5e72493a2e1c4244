"""An applier that was started while its store is unreachable: it ends faults on time, and does nothing else.

The objects on a cluster say when a fault ends, by the store's clock of that time. What time it is now, only the local
clock says. What else the cluster should hold is not known without the store.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial

import structlog

from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.delivery.target_handle import TargetHandle
from egress_server.domain.model.clusters import Cluster
from egress_server.ports.clock import Clock, system_clock
from egress_server.ports.target import Targets

_log = structlog.get_logger(__name__)


class StandbyApplier:
    """Ends faults on those of `clusters` that this process may reconcile."""

    def __init__(self, targets: Targets, clusters: Iterable[Cluster], clock: Clock = system_clock) -> None:
        self._targets = targets
        self._clusters = [cluster for cluster in clusters if targets.drives(cluster)]
        self._clock = clock

    async def run(self) -> None:
        """Ends faults until cancelled, then closes the targets."""
        _log.warning("standby_without_store", clusters=[cluster.id for cluster in self._clusters])
        async with asyncio.TaskGroup() as group:
            for cluster in self._clusters:
                group.create_task(supervise(Task.STANDBY, partial(self._attend, cluster), cluster=cluster.id))

    async def _attend(self, cluster: Cluster) -> None:
        target = TargetHandle(cluster.id, lambda: cluster, self._targets)
        faults = FaultTTLEnforcer(cluster.id, target, self._seconds_until)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(supervise(Task.FAULT_TTL, faults.run, cluster=cluster.id))
                while True:
                    pause = await faults.scan()
                    await asyncio.sleep(pause)
        finally:
            await target.close()

    def _seconds_until(self, end: datetime) -> float:
        return (end - self._clock()).total_seconds()
