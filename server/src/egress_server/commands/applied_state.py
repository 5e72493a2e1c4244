"""What a cluster has applied, which may be older than desired state: its applier has not come to the newest revision
yet, holds it back, can't write it, or can't reach the cluster."""

from dataclasses import dataclass, replace

from egress_server.commands.cluster_view import cluster_view
from egress_server.commands.services import Services
from egress_server.domain.desired.cluster_view import ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import STORE_REWOUND, Phase
from egress_server.ports.store import Replica

MAX_REVERTED = 500
"""How many changes are reverted at most to find out what a cluster has applied."""
_STUCK = frozenset({Phase.HELD, Phase.FAILED, Phase.OFFLINE})


@dataclass(frozen=True, slots=True)
class State:
    """A state of a cluster: desired state at some revision, and what takes effect of it."""

    snapshot: Snapshot
    view: Effective
    report: ClusterReport


@dataclass(frozen=True, slots=True)
class AppliedState:
    """`desired` is the newest state; `applied` what the cluster has applied of the managed resources, None if that is
    not known."""

    desired: State
    applied: State | None

    @property
    def is_behind(self) -> bool:
        """Whether the newest revisions change anything on this cluster that it has not applied."""
        if self.applied is None:
            return True
        return replace(self.applied.view, revision=0) != replace(self.desired.view, revision=0)

    @property
    def is_stuck(self) -> bool:
        """Whether it will not apply them soon."""
        status = self.desired.report.status
        return self.is_behind and status is not None and status.phase in _STUCK

    def describe(self) -> str:
        """Which revision the cluster has applied, and which is the newest."""
        status, newest = self.desired.report.status, self.desired.snapshot.revision
        if status is None:
            return "no applier has reported on the cluster yet"
        problem = f", {status.phase.value} ({status.problem.reason})" if status.problem else ""
        return f"the cluster has applied revision {status.applied_revision}{problem}; the newest is {newest}"


async def applied_state(services: Services, replica: Replica, cluster: Cluster) -> AppliedState:
    """What `cluster` has applied, now."""
    snapshot = replica.snapshot
    desired = _state(services, replica, snapshot, cluster)
    status = desired.report.status
    if status is None or not 0 < status.applied_revision <= snapshot.revision or _is_rewound(desired.report):
        return AppliedState(desired, None)
    if status.applied_revision == snapshot.revision:
        return AppliedState(desired, desired)
    former = await _former(services, snapshot, status.applied_revision)
    if former is None:
        return AppliedState(desired, None)
    reverted = snapshot.reverted(status.applied_revision, former)
    cluster_then = reverted.cluster(cluster.id)
    return AppliedState(desired, _state(services, replica, reverted, cluster_then) if cluster_then else None)


def _is_rewound(report: ClusterReport) -> bool:
    """Whether the cluster was last reconciled from a different store, whose revisions mean something else."""
    problem = report.status.problem if report.status else None
    return problem is not None and problem.reason == STORE_REWOUND


def _state(services: Services, replica: Replica, snapshot: Snapshot, cluster: Cluster) -> State:
    view, report = cluster_view(replica, snapshot, cluster, services.clock())
    return State(snapshot, view, report)


async def _former(
    services: Services, snapshot: Snapshot, revision: int
) -> dict[str, Versioned[Resource] | None] | None:
    """The resources that have changed since `revision` as they were then, None for those that did not exist; None if
    the history does not go back so far."""
    count = snapshot.revision - revision
    if count > MAX_REVERTED:
        return None
    mesh, before = snapshot.mesh, snapshot.revision + 1
    changes = await services.store.changes(mesh, before=before, after=revision, count=count, newest_first=False)
    if len(changes) < count:
        return None
    former: dict[str, Versioned[Resource] | None] = {}
    for change in changes:
        name = change.record.resource
        if name in former:
            continue
        former[name] = None
        if change.previous_revision:
            version = await services.store.version_at(mesh, name, change.previous_revision)
            if version is None:
                return None
            former[name] = None if version.deleted else version
    return former
