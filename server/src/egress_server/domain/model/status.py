"""What appliers report about a cluster: its phase, problems, drift and restarts.

These dataclasses are stored as JSON: a released field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Phase(Enum):
    """The result of the applier's last reconciliation of a cluster."""

    APPLYING = "APPLYING"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    HELD = "HELD"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not in its desired state; `retry_time` is set if the applier will try again.

    `token` is set if a guard requires an approval. It identifies exactly what was found, so that an approval never
    covers anything else. If the cluster holds a resource in part, `held` has the kinds of its objects that are there.
    """

    reason: str
    message: str
    retry_time: datetime | None = None
    token: str = ""
    held: tuple[str, ...] = ()


UNSUPPORTED = "UNSUPPORTED"
"""Reason of a Problem: this kind of cluster can't do it."""
NAMESPACE_MISSING = "NAMESPACE_MISSING"
"""Reason of a Problem: the namespace does not exist on the cluster yet."""
NAMESPACE_IGNORED = "NAMESPACE_IGNORED"
"""Reason of a Problem: istiod does not read the namespace, because MeshConfig's discoverySelectors leave it out."""
MASS_DELETION = "MASS_DELETION"
"""Reason of a Problem: so many managed objects would be deleted that an operator must approve it with
`egressctl cluster approve CLUSTER` (ApproveDeletion with the Problem's token, kept in Orders.approved)."""
STORE_REWOUND = "STORE_REWOUND"
"""Reason of a Problem: the cluster was last reconciled by a different state of the store. An operator may accept the
present one with `egressctl cluster accept-store-reset CLUSTER` (AcceptStoreReset with the Problem's token, kept in
Orders.accepted)."""


class DriftKind(Enum):
    """How a managed object differs from what was last applied."""

    CHANGED = "CHANGED"
    MISSING = "MISSING"
    EXTRA = "EXTRA"


@dataclass(frozen=True, slots=True)
class Drift:
    """A managed object that another client changed. `manager` is the field manager of that change, if the cluster
    reports one; `heal_time` is None while the change is left in place. `message` says why it is left in place although
    the drift policy is to heal."""

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
    """How far a restart of workloads has progressed."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class RestartProgress:
    """The progress of the order `id`. Workloads are written KIND/NAMESPACE/NAME; `failed` is the one that did not
    become ready again, which stopped the restart."""

    id: str
    state: RestartState
    done: tuple[str, ...] = ()
    failed: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """An applier's record of one cluster, written once per reconciliation.

    `disagreements`, `unverified`, `partly_verified` and `obstacles` are keyed by resource name. Obstacles are the
    resources that the cluster does not hold, with the reasons. `verified_revision` is the revision whose probes have
    run, whatever their verdicts: disagreements list the resources whose probes contradict policy, unverified those
    whose probes gave no verdict, or have not run yet, and partly verified those of which the probes leave out a part.
    An entry of unverified under the cluster's own name applies to every resource whose probes have not run. Every fault
    that ended at or before `faults_ended_to`, by the store's clock, has been removed from the cluster.
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
    """The objects that drifted last, newest first, each once."""
    applied_digest: str = ""
    """Digest of the managed objects after the last apply; empty if unknown."""
    restart: RestartProgress | None = None
    stale_workloads: int = 0
    """Number of workloads whose pods were created under older interception rules."""
    partly_verified: dict[str, Problem] | None = None
