"""Takes faults out of desired state when they are over, as a change of type EXPIRE.

Clusters come first: a fault's end takes effect there on time, whoever is away, and only then history says so. Every
applier tries; the request id, made of the fault and its revision, lets only one succeed.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from hashlib import sha256

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.domain.desired.effective import expire_time
from egress_server.domain.desired.snapshot import buckets_of
from egress_server.domain.model.changes import ChangeRecord, ChangeType, Versioned
from egress_server.domain.model.errors import EgressError
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Cluster, Fault, Resource
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.ports.store import Commit, RequestKey, Stale
from egress_server.telemetry import metrics

_log = structlog.get_logger(__name__)

ACTOR = "system:egressd"
METHOD = "egressd.expire"
_RETRY_SECONDS = 1.0
_REPLICA_PATIENCE_SECONDS = 1.0
_AWAY = frozenset({Phase.OFFLINE, Phase.HELD})
"""Clusters in these phases can't be changed now; when they can, the fault is no longer part of what they get."""


class FaultExpirer:
    """Expires the faults of the shop's mesh."""

    def __init__(self, shop: ApplierContext) -> None:
        self._shop = shop
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Desired state or a cluster's record has changed."""
        self._news.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            self._news.clear()
            pause: float | None = _RETRY_SECONDS
            try:
                if await self._shop.store_clock.known():
                    pause = await self._round()
            except EgressError as error:
                _log.warning("faults_not_expired", reason=error.reason, message=error.message)
                await asyncio.sleep(_RETRY_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _round(self) -> float | None:
        """Expires what is due; returns the seconds after which to look again although nothing changes."""
        snapshot, clock = self._shop.replica.snapshot, self._shop.store_clock
        now, patience = clock.now(), timedelta(seconds=self._shop.settings.expire_patience)
        moments: list[datetime] = []
        for versioned in list(snapshot.of_kind(ResourceKind.FAULT).values()):
            fault, end = versioned.resource, expire_time(versioned)
            if end is None or not isinstance(fault, Fault):
                continue
            if end > now:
                moments.append(end)
            elif now >= end + patience or self._gone_from_all(fault, end):
                await self._expire(versioned)
            else:
                moments.append(end + patience)
        return clock.left(min(moments)) if moments else None

    def _gone_from_all(self, fault: Fault, end: datetime) -> bool:
        clusters = self._shop.replica.snapshot.clusters(fault.cluster_selector)
        return all(self._gone_from(cluster, end) for cluster in clusters)

    def _gone_from(self, cluster: Cluster, end: datetime) -> bool:
        status: ClusterStatus | None = self._shop.replica.statuses.get(cluster.id)
        if status is None or status.phase in _AWAY:
            return True
        return status.faults_ended_to is not None and status.faults_ended_to >= end

    async def _expire(self, versioned: Versioned[Resource]) -> None:
        """Commits, unless the fault has been changed or somebody was faster."""
        replica, fault = self._shop.replica, versioned.resource
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
            record=ChangeRecord(ChangeType.EXPIRE, fault.name, ACTOR, "", reason="its time is over"),
            request=RequestKey(ACTOR, METHOD, request_id, sha256(request_id.encode()).hexdigest()),
        )
        try:
            committed = await self._shop.store.commit(commit)
        except Stale as stale:
            await replica.wait_revision(stale.revision, _REPLICA_PATIENCE_SECONDS)
            self.wake()
        else:
            metrics.FAULTS_EXPIRED.inc(not committed.replayed)
            replica.committed(committed)
