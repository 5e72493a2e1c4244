"""A kind of cluster, as the reconcile loop needs it.

gather, then fit and plan (pure), then apply: the loop reads what is live on the cluster, has desired objects fitted to
it, compares the two, and applies the difference. Failures are TransientError or PermanentError of domain.model.errors.
Any call may be cancelled at any point, if the lease is lost or the process stops; the next gather then finds the
result.
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
"""The reason of a TransientError if the cluster can't be reached at all. It is then shown as OFFLINE."""
PERMISSIONS_MISSING = "PERMISSIONS_MISSING"
"""The reason of a PermanentError if the cluster rejects the credentials or denies a permission. The credentials may
have been renewed where they are kept, so the next reconcile opens the target again."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What a cluster itself remembers of the store that reconciled it; guards against a lost or restored store.

    `digest` is that of the audit record of `revision`, `fence` that of the lease under which it was written.
    """

    epoch: str
    revision: int
    digest: str
    fence: int


@dataclass(frozen=True)
class Live:
    """What is live on a cluster: managed objects by key, and the witness of the last apply (None: never reconciled).

    Of a foreign object that has managed fields, `objects` has those fields. `changed_by` names the other client that
    last changed a managed object, if the cluster tells. A target may add more for its own `fit`.
    """

    objects: Mapping[ObjectKey, IstioObject]
    witness: Witness | None
    inventory: Inventory | None = None
    changed_by: Mapping[ObjectKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """The desired objects that a cluster can hold, as they look there; and by resource name why it can't hold the
    others."""

    objects: tuple[IstioObject, ...]
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of an apply. `obstacles` has by resource name what the cluster rejected."""

    obstacles: Mapping[str, Problem] = field(default_factory=dict)


class Target(Protocol):
    """One cluster."""

    quiet: float
    """Debounce window in seconds after an apply that changed something: changes within it are batched."""
    patience: float
    """Seconds after an apply in which a workload may still see the former state: within them, a probe that sees it does
    not disagree yet."""

    async def gather(self) -> Live:
        """Reads what is live."""

    def fit(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Fit:
        """Fits desired objects to what was gathered: names what this kind of cluster can't serve, and converts what has
        another form there. Pure."""

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """Makes the changes, then writes the witness. Returns once the data plane has taken the changes and that was
        read back, or, if the target can't see the data plane, once the control plane has them: the probes that follow
        must not get out if policy forbids it.

        `upsert` is sorted from the oldest, since of two entries for one thing Istio lets the older win: a target
        without creation times of its own keeps this order, and replacing keeps an object's place. If nothing is to
        change, only the witness is written, which must be cheap. With a witness of None it is removed: the cluster is
        cleaned up.
        """

    async def strip_ended(self, now: datetime) -> None:
        """Removes the faults that have ended at `now`, by what the objects themselves say (see
        domain.render.expired_faults).

        Called on time, without the store, and perhaps without a lease or concurrently with another call: what has ended
        may always be removed. The witness is left alone.
        """

    def changes(self) -> AsyncIterator[None]:
        """Yields whenever the cluster may hold something else than was last gathered or applied, coalesced. A target
        that can't watch yields nothing. Ends with `close`."""

    def holding_up(self) -> Problem | None:
        """Why what was applied may not be in effect yet, if the target knows a reason."""

    async def restart(self, workload: str) -> None:
        """Restarts a workload (KIND/NAMESPACE/NAME) and returns once all its pods are new and ready.

        Raises PermanentError NOT_BACK if they are not ready in time, UNSUPPORTED if the target has no workloads.
        """

    async def close(self) -> None:
        """Closes the target; the cluster's configuration is left alone."""


class Targets(Protocol):
    """The clusters of this process."""

    def drives(self, cluster: Cluster) -> bool:
        """Whether this process may reconcile a registered cluster. It takes no lease of any other."""

    async def open(self, cluster: Cluster) -> Target:
        """The target of a registered cluster. Raises TransientError or PermanentError if it can't be opened."""

    async def forget(self, cluster_id: str) -> None:
        """The cluster is no longer registered, and its target is closed: stops all that was kept running for it. Its
        configuration is left alone."""
