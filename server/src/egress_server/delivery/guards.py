"""What forbids to touch a cluster, until somebody says otherwise.

The witness on the cluster guards it against its own control plane: a store that was lost, or restored from an older
copy, knows less than the cluster does, and what it does not know it would delete. And whatever the reason, a deletion
of much at one time is more often a mistake than meant.

What somebody says yes to is a token of just what was found, so that a yes never covers anything else.
"""

from collections.abc import Sequence
from hashlib import sha256

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.limits import MASS_DELETION_COUNT, MASS_DELETION_SHARE
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.resources import Cluster, TargetKind
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND
from egress_server.domain.render import policies
from egress_server.domain.render.virtual_service import is_for_faults_alone
from egress_server.ports.target import Live, Witness

_EXAMPLES = 3
_REPLICA_PATIENCE_SECONDS = 5.0


class HeldByGuard(Exception):
    """A guard forbids to touch the cluster; `reason` is stable, the text is for people, `token` for who says yes."""

    def __init__(self, reason: str, message: str, token: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.token = token


async def check_witness(witness: Witness, cluster: Cluster, shop: ApplierContext, lease: HeldLease) -> bool:
    """Whether this store is the one that the cluster was last driven by, and has forgotten nothing of it; False where
    it is not and somebody said that the cluster is to follow it all the same. Raises Held where nobody did."""
    replica, digests = shop.replica, shop.digests
    if witness_token(witness) == cluster.accepted:
        return False
    epoch = replica.snapshot.epoch
    if witness.epoch != epoch:
        raise _rewound(cluster, witness, f"this store is another one, of epoch {epoch}")
    digest = await digests.of(witness.revision)
    if digest is None and witness.revision > replica.snapshot.revision:
        raise _rewound(cluster, witness, f"this store only goes to revision {replica.snapshot.revision}")
    if digest is not None and digest != witness.digest:
        raise _rewound(cluster, witness, f"this store has another change as revision {witness.revision}")
    if witness.fence > lease.fence:
        raise LeaseLost(f"a younger applier, of fence {witness.fence}, has driven the cluster")
    if not await replica.wait_revision(witness.revision, _REPLICA_PATIENCE_SECONDS):
        raise TransientError("REPLICA_BEHIND", f"revision {witness.revision} has not arrived in this process yet")
    return True


def check_deletions(delete: Sequence[ObjectKey], live: Live, cluster: Cluster) -> None:
    """Raises Held where much of what is ours on the cluster would go, and nobody approved just that.

    Only a Kubernetes cluster has workloads to lose: a local one stands in for one, and of a directory's files nothing
    takes effect before somebody merges it. The end of a fault is never held up, nor is a cluster that is let go of, nor
    what a cluster only remembers for the next restart.
    """
    if cluster.target is not TargetKind.KUBERNETES or cluster.draining:
        return
    losing = sorted(key for key in delete if key.kind != policies.KIND and not is_for_faults_alone(live.objects[key]))
    token = deletion_token(losing, live.witness)
    if (
        len(losing) <= MASS_DELETION_COUNT
        or len(losing) <= MASS_DELETION_SHARE * len(live.objects)
        or token == cluster.approved
    ):
        return
    examples = ", ".join(f"{key.kind} {key.namespace}/{key.name}" for key in losing[:_EXAMPLES])
    raise HeldByGuard(
        MASS_DELETION,
        f"{len(losing)} of {len(live.objects)} objects of ours would be deleted on the cluster, such as {examples}. "
        "Nothing is changed there until somebody approves just that, or brings back what wants them: "
        f"egressctl cluster approve {cluster.id}",
        token,
    )


def witness_token(witness: Witness) -> str:
    """Stands for what a cluster remembers of the store that drove it."""
    return _short(f"{witness.epoch}:{witness.revision}:{witness.digest}")


def deletion_token(keys: Sequence[ObjectKey], witness: Witness | None) -> str:
    """Stands for a deletion of just these, once: the next one finds another witness."""
    names = (f"{key.kind}/{key.namespace}/{key.name}" for key in sorted(keys))
    return _short("\n".join((witness_token(witness) if witness else "", *names)))


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _rewound(cluster: Cluster, witness: Witness, what: str) -> HeldByGuard:
    return HeldByGuard(
        STORE_REWOUND,
        f"the cluster was last driven at revision {witness.revision} of the store of epoch {witness.epoch}, "
        f"and {what}: the store was lost, or restored from an older copy. Nothing is changed on the cluster. To go on, "
        "bring that store's data back; or, to have the cluster follow this store: "
        f"egressctl cluster accept-store-reset {cluster.id}",
        witness_token(witness),
    )
