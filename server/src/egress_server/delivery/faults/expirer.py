"""Deletes faults from desired state once they have ended, by a change of type EXPIRE.

Clusters come first: a fault ends there on time whatever is unreachable, and history follows. Every applier tries; the
request id, made of the fault and its revision, lets only one succeed.
"""

import asyncio
from datetime import datetime, timedelta
from hashlib import sha256

from egress_server.aio.waiting import wait_for_event
from egress_server.delivery.context import ApplierContext
from egress_server.domain.desired.effective import expire_time
from egress_server.domain.desired.snapshot import buckets_of
from egress_server.domain.model.changes import ChangeRecord, ChangeType, Versioned
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Fault, Resource
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.ports.store import Commit, RequestKey, Stale
from egress_server.telemetry import metrics

ACTOR = "system:egressd"
METHOD = "egressd.expire"
_CLOCK_SECONDS = 1.0
"""Until the next try if the store's time is not known."""
_REPLICA_PATIENCE_SECONDS = 1.0
_UNCHANGEABLE = frozenset({Phase.OFFLINE, Phase.HELD})
"""Clusters in these phases are not waited for: once they can be changed, the fault is no longer part of their state."""


class FaultExpirer:
    """Expires the faults of one mesh."""

    def __init__(self, context: ApplierContext) -> None:
        self._context = context
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Desired state or a cluster's status has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Works until cancelled. Raises what the store raises."""
        while True:
            self._wake.clear()
            known = await self._context.store_clock.known()
            await wait_for_event(self._wake, await self._expire_due() if known else _CLOCK_SECONDS)

    async def _expire_due(self) -> float | None:
        """Expires faults that are due; returns the seconds until the next one, if nothing else changes."""
        snapshot, clock = self._context.replica.snapshot, self._context.store_clock
        now, patience = clock.now(), timedelta(seconds=self._context.settings.expire_patience)
        moments: list[datetime] = []
        for versioned in list(snapshot.of_kind(ResourceKind.FAULT).values()):
            fault, end = versioned.resource, expire_time(versioned)
            if end is None or not isinstance(fault, Fault):
                continue
            if end > now:
                moments.append(end)
            elif now >= end + patience or self._removed_everywhere(fault, end):
                await self._expire(versioned)
            else:
                moments.append(end + patience)
        return clock.seconds_until(min(moments)) if moments else None

    def _removed_everywhere(self, fault: Fault, end: datetime) -> bool:
        clusters = self._context.replica.snapshot.clusters(fault.cluster_selector)
        return all(self._removed_from(cluster, end) for cluster in clusters)

    def _removed_from(self, cluster: Cluster, end: datetime) -> bool:
        status: ClusterStatus | None = self._context.replica.statuses.get(cluster.id)
        if status is None or status.phase in _UNCHANGEABLE:
            return True
        return status.faults_ended_to is not None and status.faults_ended_to >= end

    async def _expire(self, versioned: Versioned[Resource]) -> None:
        """Commits, unless the fault has changed or another applier was faster."""
        replica, fault = self._context.replica, versioned.resource
        snapshot = replica.snapshot
        if snapshot.get(fault.name) != versioned:
            return
        request_id = f"{fault.name}@{versioned.revision}"
        own = f"key/{fault.name}"
        commit = Commit(
            mesh=snapshot.mesh,
            epoch=snapshot.epoch,
            revision=snapshot.revision,
            read=frozenset([own]),
            touch=buckets_of(fault),
            resource=fault,
            deletes=True,
            record=ChangeRecord(ChangeType.EXPIRE, fault.name, ACTOR, "", reason="ttl expired"),
            request=RequestKey(ACTOR, METHOD, request_id, sha256(request_id.encode()).hexdigest()),
        )
        try:
            committed = await self._context.store.commit(commit)
        except Stale as stale:
            await replica.wait_revision(stale.revision, _REPLICA_PATIENCE_SECONDS)
            self.wake()
        else:
            metrics.FAULTS_EXPIRED.inc(not committed.replayed)
            replica.committed(committed)
