"""How far a change has been rolled out to each cluster. Computed from the clusters' status, never stored per change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.resources import Resource, Selected
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.model.status import (
    NAMESPACE_MISSING,
    UNSUPPORTED,
    ClusterStatus,
    Drift,
    DriftKind,
    Phase,
    Problem,
)


class RolloutState(Enum):
    """How far a change has progressed on a cluster; the API defines the meanings."""

    PENDING = "PENDING"
    APPLYING = "APPLYING"
    APPLIED = "APPLIED"
    VERIFIED = "VERIFIED"
    DISAGREES = "DISAGREES"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    HELD = "HELD"
    UNSUPPORTED = "UNSUPPORTED"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of one change on one cluster."""

    cluster: Cluster
    state: RolloutState
    status: ClusterStatus | None = None
    problem: Problem | None = None


_NO_STATUS = Problem("NO_APPLIER", "no applier has reported on the cluster yet")
_STATE_BY_PHASE = {
    Phase.APPLYING: RolloutState.APPLYING,
    Phase.SETTLED: RolloutState.PENDING,
    Phase.FAILED: RolloutState.FAILED,
    Phase.OFFLINE: RolloutState.OFFLINE,
    Phase.HELD: RolloutState.HELD,
}
_STATE_BY_OBSTACLE = {UNSUPPORTED: RolloutState.UNSUPPORTED, NAMESPACE_MISSING: RolloutState.PENDING}
"""The state of a resource that a cluster does not hold, by reason; every other reason is a failure."""


def affected_clusters(clusters: Iterable[Cluster], before: Resource | None, after: Resource | None) -> list[Cluster]:
    """The clusters that a change of a resource from `before` to `after` affects."""
    resource = after or before
    if isinstance(resource, Cluster):
        return [c for c in clusters if c.name == resource.name]
    selectors: list[ClusterSelector] = [r.cluster_selector for r in (before, after) if isinstance(r, Selected)]
    return [c for c in clusters if any(s.selects(c) for s in selectors)]


def change_rollout(
    cluster: Cluster,
    status: ClusterStatus | None,
    *,
    revision: int,
    resource: str,
    last_revision: int,
) -> Rollout:
    """The rollout of the change `revision` of `resource`, which was last changed at `last_revision`, to `cluster`."""
    if status is None:
        return Rollout(cluster, RolloutState.PENDING, problem=_NO_STATUS)
    if status.applied_revision < revision:
        return Rollout(cluster, _STATE_BY_PHASE[status.phase], status, status.problem)
    if last_revision > revision and status.applied_revision >= last_revision:
        return Rollout(cluster, RolloutState.SUPERSEDED, status)
    if problem := (status.obstacles or {}).get(resource):
        return Rollout(cluster, _STATE_BY_OBSTACLE.get(problem.reason, RolloutState.FAILED), status, problem)
    if status.verified_revision >= revision and (problem := (status.disagreements or {}).get(resource)):
        return Rollout(cluster, RolloutState.DISAGREES, status, problem)
    if drift := next((drift for drift in status.drift if drift.resource == resource and not drift.heal_time), None):
        return Rollout(cluster, RolloutState.APPLIED, status, _drift_problem(drift))
    if status.verified_revision >= revision:
        if problem := (status.unverified or {}).get(resource):
            return Rollout(cluster, RolloutState.APPLIED, status, problem)
        return Rollout(cluster, RolloutState.VERIFIED, status, (status.partly_verified or {}).get(resource))
    unverified = status.unverified or {}
    problem = unverified.get(resource) or unverified.get(cluster.name) or status.problem
    return Rollout(cluster, RolloutState.APPLIED, status, problem)


def cluster_rollout(cluster: Cluster, status: ClusterStatus) -> Rollout:
    """The state of a cluster as a whole, with all its resources."""
    if status.phase is not Phase.SETTLED or not status.applied_revision:
        return Rollout(cluster, _STATE_BY_PHASE[status.phase], status, status.problem)
    if status.disagreements:
        return Rollout(cluster, RolloutState.DISAGREES, status, next(iter(status.disagreements.values())))
    if drift := next((drift for drift in status.drift if not drift.heal_time), None):
        return Rollout(cluster, RolloutState.APPLIED, status, _drift_problem(drift))
    if status.unverified:
        return Rollout(cluster, RolloutState.APPLIED, status, next(iter(status.unverified.values())))
    verified = status.verified_revision >= status.applied_revision
    return Rollout(cluster, RolloutState.VERIFIED if verified else RolloutState.APPLIED, status)


def _drift_problem(drift: Drift) -> Problem:
    by = f" by {drift.manager}" if drift.manager else ""
    object_ = f"{drift.object_kind} {drift.namespace}/{drift.name}"
    match drift.kind:
        case DriftKind.CHANGED:
            message = f"{object_} was changed{by} and has not been corrected"
        case DriftKind.MISSING:
            message = f"{object_} was deleted{by} and has not been restored"
        case DriftKind.EXTRA:
            message = f"{object_} was added{by} and has not been removed"
    return Problem("DRIFTED", f"{message}: {drift.message}" if drift.message else message)


def summarize_rollouts(rollouts: Iterable[Rollout]) -> Mapping[str, int]:
    """The number of rollouts in each state, by state name."""
    return Counter(r.state.value for r in rollouts)


def is_partly_verified(rollout: Rollout) -> bool:
    """Whether a rollout is verified except for what its probes leave out."""
    return rollout.state is RolloutState.VERIFIED and rollout.problem is not None


_DONE_APPLIED = frozenset(
    {
        RolloutState.APPLIED,
        RolloutState.VERIFIED,
        RolloutState.DISAGREES,
        RolloutState.SUPERSEDED,
    }
)
_DONE_VERIFIED = frozenset({RolloutState.VERIFIED, RolloutState.SUPERSEDED})


def has_reached(state: RolloutState, *, verified: bool) -> bool:
    """Whether a rollout has progressed as far as a caller waits for: applied, or even verified."""
    return state in (_DONE_VERIFIED if verified else _DONE_APPLIED)
