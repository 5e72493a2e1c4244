"""What the delivery loop needs of a kind of cluster.

gather, then decide (pure), then apply: the loop reads what lives on the cluster, compares it with what is wanted, and
hands over what is to change. Failures are TransientError or PermanentError of domain.errors. Any call may be cancelled
at any point, when the right to drive the cluster is lost or the process stops; the next gather then tells the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from egress_server.domain.render.objects import IstioObject, ObjectKey
from egress_server.domain.resources import Cluster

UNREACHABLE = "UNREACHABLE"
"""The reason of a TransientError that says: the cluster can't be reached at all. It is then shown as OFFLINE."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What a cluster itself remembers of the store that drives it; guards against a lost or restored store.

    `digest` is that of the audit record of `revision`; `fence` that of the lease under which it was written.
    """

    epoch: str
    revision: int
    digest: str
    fence: int


@dataclass(frozen=True, slots=True)
class Live:
    """What lives on a cluster: our objects by key, and the witness of the last apply (None: never driven)."""

    objects: Mapping[ObjectKey, IstioObject]
    witness: Witness | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. `unsupported` gives the reason by resource name."""

    unsupported: Mapping[str, str] = field(default_factory=dict)


class Target(Protocol):
    """One cluster."""

    async def gather(self) -> Live:
        """Reads what lives there."""

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """Makes the changes, then the witness, and returns once the data plane has taken them and that was read back:
        probes follow that must not leave where policy forbids it.

        `upsert` comes oldest first, since of two entries for one thing Istio lets the older win: a target that has no
        creation times of its own keeps this order, and replacing keeps an object's place. With nothing to change only
        the witness is written, which must be cheap. A witness of None is taken away: the cluster is to be let go of.
        """

    async def strip_ended(self, now: datetime) -> None:
        """Takes the faults out that have ended at `now`, by what the objects themselves say (domain.render.strip).

        Called on time, without asking the store, and perhaps without a lease or beside another call: what has ended
        may always go. The witness stays as it is.
        """

    def unsupported(self, objects: Sequence[IstioObject]) -> Mapping[ObjectKey, str]:
        """The objects this kind of cluster can't serve, with the reason for people. Pure."""

    async def close(self) -> None:
        """Lets go of the cluster; its configuration stays as it is."""


class Targets(Protocol):
    """The clusters of this process."""

    async def open(self, cluster: Cluster) -> Target:
        """The target of a registered cluster. Raises TransientError or PermanentError where it can't be opened."""

    async def forget(self, cluster_id: str) -> None:
        """The cluster is no longer registered, and its target is closed: lets go of all that was kept running for it.
        Its configuration stays as it is."""
