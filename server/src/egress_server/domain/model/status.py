"""What became of a change on each cluster: computed from the clusters' status, never stored per change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from egress_server.domain.model.resources import Cluster, ClusterSelector, Resource, Selected


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
    """Why something is not where it should be; `retry_time` where it is tried again.

    `token` is what somebody has to say yes to, where a guard asks for it: it stands for just what was found, so that
    an approval never covers something else.
    """

    reason: str
    message: str
    retry_time: datetime | None = None
    token: str = ""


UNSUPPORTED = "UNSUPPORTED"
"""The reason of a Problem that says: this kind of cluster can't do it."""
NAMESPACE_MISSING = "NAMESPACE_MISSING"
"""The reason of a Problem that says: the namespace does not exist there yet."""
MASS_DELETION = "MASS_DELETION"
"""The reason of a Problem that says: so much of ours would go that somebody must approve it, by
`egressctl cluster approve CLUSTER` (ApproveDeletion with the Problem's token, kept in Cluster.approved)."""
STORE_REWOUND = "STORE_REWOUND"
"""The reason of a Problem that says: the cluster was last driven by another state of the store; somebody may have it
follow this one, by `egressctl cluster accept-store-reset CLUSTER` (AcceptStoreReset with the Problem's token, kept in
Cluster.accepted)."""

_NEVER_SEEN = Problem("NO_APPLIER", "no applier has reported on the cluster yet")


class DriftKind(Enum):
    """How an object of ours differs from what was last applied."""

    CHANGED = "CHANGED"
    MISSING = "MISSING"
    EXTRA = "EXTRA"


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that somebody else changed. `manager` is who, as far as the cluster tells; `heal_time` is None while it
    is left as it is. `message` says why it is left although drift is to be healed, where it is."""

    kind: DriftKind
    object_kind: str
    namespace: str
    name: str
    resource: str
    manager: str
    seen_time: datetime
    heal_time: datetime | None = None
    message: str = ""


class RestartState(Enum):
    """How far a restart of workloads is."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class RestartProgress:
    """What became of the order `id`. Workloads are written KIND/NAMESPACE/NAME; `failed` is the one that did not come
    back, where the restart stopped."""

    id: str
    state: RestartState
    done: tuple[str, ...] = ()
    failed: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """An applier's record of one cluster, written once per apply cycle.

    `disagreements`, `unverified` and `obstacles` are by resource name; obstacles are what the cluster does not hold,
    and why. `verified_revision` is the revision whose probes have run, whatever they said: a disagreement says
    otherwise for its resource, and an unverified one is where no probe could tell, or not yet. What is said of the
    cluster itself there stands for all whose probes have not run. Every fault that ended at `faults_ended_to` or
    before, by the store's clock, is gone from the cluster.
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
    obstacles: dict[str, Problem] | None = None
    fence: int = 0
    unverified: dict[str, Problem] | None = None
    faults_ended_to: datetime | None = None
    drift: tuple[Drift, ...] = ()
    """The last objects that drifted, newest first, one of each."""
    applied_digest: str = ""
    """Of the objects that the cluster was left with; empty where that is not known."""
    restart: RestartProgress | None = None
    stale_workloads: int = 0
    """Workloads whose pods were created under older interception rules."""


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


_OBSTACLES = {UNSUPPORTED: RolloutState.UNSUPPORTED, NAMESPACE_MISSING: RolloutState.PENDING}
"""How a resource stands that a cluster does not hold, by reason; every other reason is a failure."""


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
        return Rollout(cluster, RolloutState.PENDING, problem=_NEVER_SEEN)
    if status.applied_revision < revision:
        return Rollout(cluster, _PHASES[status.phase], status, status.problem)
    if last_revision > revision and status.applied_revision >= last_revision:
        return Rollout(cluster, RolloutState.SUPERSEDED, status)
    if problem := (status.obstacles or {}).get(resource):
        return Rollout(cluster, _OBSTACLES.get(problem.reason, RolloutState.FAILED), status, problem)
    if status.verified_revision >= revision and (problem := (status.disagreements or {}).get(resource)):
        return Rollout(cluster, RolloutState.DISAGREES, status, problem)
    if drift := next((drift for drift in status.drift if drift.resource == resource and not drift.heal_time), None):
        return Rollout(cluster, RolloutState.APPLIED, status, _drifted(drift))
    if status.verified_revision >= revision:
        if problem := (status.unverified or {}).get(resource):
            return Rollout(cluster, RolloutState.APPLIED, status, problem)
        return Rollout(cluster, RolloutState.VERIFIED, status)
    unverified = status.unverified or {}
    why = unverified.get(resource) or unverified.get(cluster.name) or status.problem
    return Rollout(cluster, RolloutState.APPLIED, status, why)


def standing(cluster: Cluster, status: ClusterStatus) -> Rollout:
    """Where a cluster stands as a whole: with all that it holds, or on its way to the newest revision."""
    if status.phase is not Phase.SETTLED or not status.applied_revision:
        return Rollout(cluster, _PHASES[status.phase], status, status.problem)
    if status.disagreements:
        return Rollout(cluster, RolloutState.DISAGREES, status, next(iter(status.disagreements.values())))
    if drift := next((drift for drift in status.drift if not drift.heal_time), None):
        return Rollout(cluster, RolloutState.APPLIED, status, _drifted(drift))
    if status.unverified:
        return Rollout(cluster, RolloutState.APPLIED, status, next(iter(status.unverified.values())))
    verified = status.verified_revision >= status.applied_revision
    return Rollout(cluster, RolloutState.VERIFIED if verified else RolloutState.APPLIED, status)


def _drifted(drift: Drift) -> Problem:
    by = f" by {drift.manager}" if drift.manager else ""
    what = f"{drift.object_kind} {drift.namespace}/{drift.name} is {drift.kind.value.lower()}{by} and left as it is"
    return Problem("DRIFTED", f"{what}: {drift.message}" if drift.message else what)


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
