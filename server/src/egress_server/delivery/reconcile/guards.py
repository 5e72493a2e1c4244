"""Guards that freeze a cluster until an operator approves what would happen.

The witness on the cluster guards it against its own control plane: a store that was lost, or restored from an older
copy, knows less than the cluster does, and would delete what it does not know. And whatever the reason, a large
deletion is more often a mistake than intended.

An approval names a token of exactly what was found, so that it never covers anything else.
"""

from collections.abc import Sequence
from hashlib import sha256

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.limits import MASS_DELETION_COUNT, MASS_DELETION_SHARE
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND
from egress_server.domain.render import policies
from egress_server.domain.render.virtual_service import only_injects_faults
from egress_server.ports.target import Live, Witness

_EXAMPLES = 3
_REPLICA_PATIENCE_SECONDS = 5.0


class HeldByGuard(Exception):
    """A guard forbids changing the cluster. `reason` is stable, `message` is human-readable, `token` approves this."""

    def __init__(self, reason: str, message: str, token: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.token = token


async def check_witness(witness: Witness, cluster: Cluster, context: ApplierContext, lease: HeldLease) -> bool:
    """Whether this store reconciled the cluster last and has forgotten nothing since; False if it did not, and was
    accepted nevertheless. Raises HeldByGuard if it was not accepted, LeaseLost if a newer applier was at work."""
    replica, digests = context.replica, context.digests
    if witness_token(witness) == cluster.orders.accepted:
        return False
    epoch = replica.snapshot.epoch
    if witness.epoch != epoch:
        where = f"epoch {witness.epoch}, revision {witness.revision}; this one has epoch {epoch}"
        raise _rewound(cluster, witness, f"by a different store ({where})")
    last = f"at revision {witness.revision}"
    digest = await digests.of(witness.revision)
    if digest is None and witness.revision > replica.snapshot.revision:
        raise _rewound(cluster, witness, f"{last}, but this store ends at revision {replica.snapshot.revision}")
    if digest is not None and digest != witness.digest:
        raise _rewound(cluster, witness, f"{last}, but this store has a different change at that revision")
    if witness.fence > lease.fence:
        raise LeaseLost(f"a newer applier (fencing token {witness.fence}) has taken over the cluster")
    if not await replica.wait_revision(witness.revision, _REPLICA_PATIENCE_SECONDS):
        raise TransientError("REPLICA_BEHIND", f"this process has not received revision {witness.revision} yet")
    return True


def check_deletions(delete: Sequence[ObjectKey], live: Live, cluster: Cluster) -> None:
    """Raises HeldByGuard if a large share of the managed objects would be deleted without approval.

    Only a Kubernetes cluster has workloads to lose: a local one is for trying things out, and files of a directory take
    effect only when they are merged. What ends faults is never held, nor the cleanup of a deregistered cluster, nor
    policies that only take effect at the next restart.
    """
    if not isinstance(cluster.target, KubernetesTarget) or cluster.draining:
        return
    losing = sorted(key for key in delete if key.kind != policies.KIND and not only_injects_faults(live.objects[key]))
    token = deletion_token(losing, live.witness)
    if (
        len(losing) <= MASS_DELETION_COUNT
        or len(losing) <= MASS_DELETION_SHARE * len(live.objects)
        or token == cluster.orders.approved
    ):
        return
    examples = ", ".join(f"{key.kind} {key.namespace}/{key.name}" for key in losing[:_EXAMPLES])
    raise HeldByGuard(
        MASS_DELETION,
        f"{len(losing)} of {len(live.objects)} managed objects would be deleted on the cluster, such as {examples}. "
        "The cluster is frozen until this deletion is approved or the deleted resources are restored: "
        f"egressctl cluster approve {cluster.id}",
        token,
    )


def witness_token(witness: Witness) -> str:
    """Identifies what a cluster remembers of the store that reconciled it."""
    return _short(f"{witness.epoch}:{witness.revision}:{witness.digest}")


def deletion_token(keys: Sequence[ObjectKey], witness: Witness | None) -> str:
    """Identifies one deletion of exactly these objects: the witness differs the next time."""
    names = (f"{key.kind}/{key.namespace}/{key.name}" for key in sorted(keys))
    return _short("\n".join((witness_token(witness) if witness else "", *names)))


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _rewound(cluster: Cluster, witness: Witness, what: str) -> HeldByGuard:
    return HeldByGuard(
        STORE_REWOUND,
        f"the cluster was last reconciled {what}: the store was lost, or restored from an older copy. The cluster is "
        "frozen. Restore the original data, or accept this store for the cluster: "
        f"egressctl cluster accept-store-reset {cluster.id}",
        witness_token(witness),
    )
