"""What became of a change on each cluster: computed from the clusters' status, never stored per change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from egress_server.domain.resources import Cluster, ClusterSelector, Resource, Selected


class RolloutState(Enum):
    """How far a change has come on a cluster; the meanings are in the contract."""

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


class Phase(Enum):
    """What an applier last did with a cluster."""

    APPLYING = "APPLYING"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    HELD = "HELD"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not where it should be; `retry_time` where it is tried again."""

    reason: str
    message: str
    retry_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """An applier's record of one cluster, written once per apply cycle.

    `disagreements`, `unverified` and `unsupported` are by resource name. `verified_revision` is the revision whose
    probes have run, whatever they said: a disagreement says otherwise for its resource, and an unverified one is
    where no probe could tell, or not yet. Every fault that ended at `faults_ended_to` or before, by the store's clock,
    is gone from the cluster.
    """

    cluster: str
    phase: Phase
    applied_revision: int = 0
    apply_time: datetime | None = None
    verified_revision: int = 0
    verify_time: datetime | None = None
    last_seen_time: datetime | None = None
    problem: Problem | None = None
    disagreements: dict[str, Problem] | None = None
    unsupported: dict[str, Problem] | None = None
    fence: int = 0
    unverified: dict[str, Problem] | None = None
    faults_ended_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """What became of one change on one cluster."""

    cluster: Cluster
    state: RolloutState
    status: ClusterStatus | None = None
    problem: Problem | None = None


_PHASES = {
    Phase.APPLYING: RolloutState.APPLYING,
    Phase.SETTLED: RolloutState.PENDING,
    Phase.FAILED: RolloutState.FAILED,
    Phase.OFFLINE: RolloutState.OFFLINE,
    Phase.HELD: RolloutState.HELD,
}


def concerned(clusters: Iterable[Cluster], before: Resource | None, after: Resource | None) -> list[Cluster]:
    """The clusters that a change of a resource from `before` to `after` concerns."""
    resource = after or before
    if isinstance(resource, Cluster):
        return [c for c in clusters if c.name == resource.name]
    selectors: list[ClusterSelector] = [r.cluster_selector for r in (before, after) if isinstance(r, Selected)]
    return [c for c in clusters if any(s.selects(c) for s in selectors)]


def rollout(
    cluster: Cluster,
    status: ClusterStatus | None,
    *,
    revision: int,
    resource: str,
    last_revision: int,
) -> Rollout:
    """What became on `cluster` of the change `revision`, about `resource`, whose last change is `last_revision`."""
    if status is None:
        return Rollout(cluster, RolloutState.PENDING)
    if status.applied_revision < revision:
        return Rollout(cluster, _PHASES[status.phase], status, status.problem)
    if last_revision > revision and status.applied_revision >= last_revision:
        return Rollout(cluster, RolloutState.SUPERSEDED, status)
    if problem := (status.unsupported or {}).get(resource):
        return Rollout(cluster, RolloutState.UNSUPPORTED, status, problem)
    if status.verified_revision >= revision:
        if problem := (status.disagreements or {}).get(resource):
            return Rollout(cluster, RolloutState.DISAGREES, status, problem)
        if problem := (status.unverified or {}).get(resource):
            return Rollout(cluster, RolloutState.APPLIED, status, problem)
        return Rollout(cluster, RolloutState.VERIFIED, status)
    return Rollout(cluster, RolloutState.APPLIED, status)


def standing(cluster: Cluster, status: ClusterStatus) -> Rollout:
    """Where a cluster stands as a whole: with all that it holds, or on its way to the newest revision."""
    if status.phase is not Phase.SETTLED or not status.applied_revision:
        return Rollout(cluster, _PHASES[status.phase], status, status.problem)
    if status.disagreements:
        return Rollout(cluster, RolloutState.DISAGREES, status, next(iter(status.disagreements.values())))
    if status.unverified:
        return Rollout(cluster, RolloutState.APPLIED, status, next(iter(status.unverified.values())))
    verified = status.verified_revision >= status.applied_revision
    return Rollout(cluster, RolloutState.VERIFIED if verified else RolloutState.APPLIED, status)


def summary(rollouts: Iterable[Rollout]) -> Mapping[str, int]:
    """How many rollouts are in which state, by state name."""
    return Counter(r.state.value for r in rollouts)


_DONE_APPLIED = frozenset(
    {
        RolloutState.APPLIED,
        RolloutState.VERIFIED,
        RolloutState.DISAGREES,
        RolloutState.SUPERSEDED,
    }
)
_DONE_VERIFIED = frozenset({RolloutState.VERIFIED, RolloutState.SUPERSEDED})


def reached(state: RolloutState, *, verified: bool) -> bool:
    """Whether a rollout has come as far as somebody waits for."""
    return state in (_DONE_VERIFIED if verified else _DONE_APPLIED)
