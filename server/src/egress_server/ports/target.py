"""A kind of cluster, as the reconcile loop needs it.

Gather, then project and plan (pure), then apply: the loop reads what the cluster holds, projects desired state onto
what this kind of cluster can hold, compares the two, and applies the difference. Failures are TransientError or
PermanentError of domain.model.errors. Any call may be cancelled at any point, when the lease is lost or the process
stops; the next gather then shows what the cluster really holds.

tests/contract/target holds every implementation to this.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.domain.model.status import Problem
from egress_server.domain.observed.inventory import Inventory

UNREACHABLE = "UNREACHABLE"
"""Reason of a TransientError: the cluster can't be reached at all. It is then shown as OFFLINE."""
PERMISSIONS_MISSING = "PERMISSIONS_MISSING"
"""Reason of a PermanentError: the cluster rejects our credentials, or does not permit a request. The credentials may
have been renewed since, so the next reconcile opens the target again."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The record that a cluster keeps of the store that manages it; guards against a lost or restored store.

    `digest` is that of the audit record of `revision`; `fence` is the fencing token of the lease it was written under.
    """

    epoch: str
    revision: int
    digest: str
    fence: int


@dataclass(frozen=True)
class Live:
    """What a cluster holds: our objects by key, and the witness of the last apply (None: never managed).

    Of an unmanaged object that we only write fields into, `objects` has those fields. `changed_by` names who else last
    changed an object, as far as the cluster knows. A target may add more for its own `project`.
    """

    objects: Mapping[ObjectKey, IstioObject]
    witness: Witness | None
    inventory: Inventory | None = None
    changed_by: Mapping[ObjectKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Projection:
    """Desired state as a cluster can hold it, and for each resource that it can't hold the reason, by resource name."""

    objects: tuple[IstioObject, ...]
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """Result of an apply. `obstacles` has, by resource name, what the cluster rejected; `refused` are the objects."""

    obstacles: Mapping[str, Problem] = field(default_factory=dict)
    refused: frozenset[ObjectKey] = frozenset()


class Target(Protocol):
    """One cluster."""

    debounce: float
    """Debounce window, in seconds, after an apply that changed something: further changes within it are batched."""
    propagation: float
    """Seconds after an apply during which a workload may still see the former state: a probe that disagrees within
    them is not a disagreement yet."""

    async def gather(self) -> Live:
        """Reads what the cluster holds."""

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        """Projects desired objects onto what was gathered: names those that this kind of cluster can't hold, and gives
        the others the form that they have there. Pure."""

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        """Makes the changes, then writes the witness. Returns once the data plane has taken them and that was read
        back, or, if the target can't see the data plane, once the control plane has them: the probes that follow must
        not leave the mesh if policy forbids it.

        `upsert` comes oldest first, since of two entries for the same host Istio lets the older win: a target without
        creation times of its own keeps this order, and replacing an object keeps its place. With nothing to change only
        the witness is written, which must be cheap. None removes the witness: the cluster is to be released.

        A target that refuses an older fencing token compares it with that of the witness on the cluster, unless that
        is the `accepted` one: a store that was restored from an older copy issues its tokens a second time.
        """

    async def strip_ended(self, now: datetime) -> None:
        """Removes the faults that have ended at `now` according to the objects themselves, see
        domain.render.expired_faults.

        Called on time, without the store, and possibly without a lease or during another call: an ended fault may
        always be removed. The witness stays as it is.
        """

    def changes(self) -> AsyncIterator[None]:
        """Yields, coalesced, whenever the cluster may hold something else than was last gathered or applied. A target
        that can't detect changes yields nothing. Ends on `close`."""

    def propagation_problem(self) -> Problem | None:
        """Why what was applied may not have taken effect yet, if the target knows a reason."""

    async def restart(self, workload: str) -> None:
        """Restarts a workload (KIND/NAMESPACE/NAME) and returns once all its pods are new and ready.

        Raises PermanentError NOT_BACK if it is not ready in time, UNSUPPORTED if this target has no workloads.
        """

    async def close(self) -> None:
        """Releases connections and tasks; the cluster's configuration stays as it is."""


class Targets(Protocol):
    """The clusters of this process."""

    def drives(self, cluster: Cluster) -> bool:
        """Whether this process may manage a registered cluster. If not, it does not compete for the cluster's lease."""

    async def open(self, cluster: Cluster) -> Target:
        """The target of a registered cluster. Raises TransientError or PermanentError if it can't be opened."""

    async def forget(self, cluster_id: str) -> None:
        """The cluster is no longer registered and its target is closed: stops everything that was kept running for it.
        Its configuration stays as it is."""
