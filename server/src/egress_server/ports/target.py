"""What the delivery loop needs of a kind of cluster.

gather, then fit and decide (pure), then apply: the loop reads what lives on the cluster, has what is wanted fitted to
it, compares the two, and hands over what is to change. Failures are TransientError or PermanentError of domain.errors.
Any call may be cancelled at any point, when the right to drive the cluster is lost or the process stops; the next
gather then tells the truth.
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
"""The reason of a TransientError that says: the cluster can't be reached at all. It is then shown as OFFLINE."""
PERMISSIONS_MISSING = "PERMISSIONS_MISSING"
"""The reason of a PermanentError that says: the cluster does not let us in, or not do what is asked. Whoever keeps the
credentials may have renewed them, so the next cycle opens the target anew."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What a cluster itself remembers of the store that drives it; guards against a lost or restored store.

    `digest` is that of the audit record of `revision`; `fence` that of the lease under which it was written.
    """

    epoch: str
    revision: int
    digest: str
    fence: int


@dataclass(frozen=True)
class Live:
    """What lives on a cluster: our objects by key, and the witness of the last apply (None: never driven).

    Of an object that is not ours and that we only write into, `objects` has our part. `changed_by` names who else last
    changed an object of ours, as far as the cluster tells. A target may know more than this, for its own `fit`.
    """

    objects: Mapping[ObjectKey, IstioObject]
    witness: Witness | None
    inventory: Inventory | None = None
    changed_by: Mapping[ObjectKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """What of the wanted objects a cluster can hold, as they look there; and by resource name why it does not hold
    the others."""

    objects: tuple[IstioObject, ...]
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. `obstacles` says by resource name what the cluster did not take."""

    obstacles: Mapping[str, Problem] = field(default_factory=dict)


class Target(Protocol):
    """One cluster."""

    quiet: float
    """Seconds to leave the cluster alone after an apply that changed something: what follows within them goes out in
    one."""
    patience: float
    """Seconds after an apply in which a workload may still see the former state: what a probe shows within them is no
    disagreement yet."""

    async def gather(self) -> Live:
        """Reads what lives there."""

    def fit(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Fit:
        """Fits what is wanted to what was gathered: what this kind of cluster can't serve is named, what has another
        form there gets it. Pure."""

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """Makes the changes, then the witness, and returns once the data plane has taken them and that was read back,
        or, where the target can't see the data plane, once the control plane has them: probes follow that must not
        leave where policy forbids it.

        `upsert` comes oldest first, since of two entries for one thing Istio lets the older win: a target that has no
        creation times of its own keeps this order, and replacing keeps an object's place. With nothing to change only
        the witness is written, which must be cheap. A witness of None is taken away: the cluster is to be let go of.
        """

    async def strip_ended(self, now: datetime) -> None:
        """Takes the faults out that have ended at `now`, by what the objects themselves say (domain.render.strip).

        Called on time, without asking the store, and perhaps without a lease or beside another call: what has ended
        may always go. The witness stays as it is.
        """

    def changes(self) -> AsyncIterator[None]:
        """Yields whenever the cluster may hold something else than was last gathered or applied, coalesced. A target
        that can't tell yields nothing. Ends with `close`."""

    def holding_up(self) -> Problem | None:
        """Why what was applied may not be in effect yet, where the target sees a reason."""

    async def restart(self, workload: str) -> None:
        """Restarts a workload (KIND/NAMESPACE/NAME) and returns once all its pods are new and ready.

        Raises PermanentError NOT_BACK where it does not come back in time, UNSUPPORTED where there are none to restart.
        """

    async def close(self) -> None:
        """Lets go of the cluster; its configuration stays as it is."""


class Targets(Protocol):
    """The clusters of this process."""

    def drives(self, cluster: Cluster) -> bool:
        """Whether this process may drive a registered cluster. A lease of one that it may not is not taken."""

    async def open(self, cluster: Cluster) -> Target:
        """The target of a registered cluster. Raises TransientError or PermanentError where it can't be opened."""

    async def forget(self, cluster_id: str) -> None:
        """The cluster is no longer registered, and its target is closed: lets go of all that was kept running for it.
        Its configuration stays as it is."""
