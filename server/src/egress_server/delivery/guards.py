"""What forbids to touch a cluster, until somebody says otherwise.

The witness on the cluster guards it against its own control plane: a store that was lost, or restored from an older
copy, knows less than the cluster does, and what it does not know it would delete.
"""

from egress_server.delivery.lease import HeldLease, LeaseLost
from egress_server.delivery.shop import Shop
from egress_server.domain.errors import TransientError
from egress_server.ports.target import Witness

STORE_REWOUND = "STORE_REWOUND"
_REPLICA_PATIENCE_SECONDS = 5.0


class Held(Exception):
    """A guard forbids to touch the cluster; `reason` is stable, the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


async def check_witness(witness: Witness, shop: Shop, lease: HeldLease) -> None:
    """Raises Held where the store is not the one the cluster was last driven by, or has forgotten of it."""
    replica, digests = shop.replica, shop.digests
    epoch = replica.snapshot.epoch
    if witness.epoch != epoch:
        raise _rewound(witness, f"this store is another one, of epoch {epoch}")
    digest = await digests.of(witness.revision)
    if digest is None and witness.revision > replica.snapshot.revision:
        raise _rewound(witness, f"this store only goes to revision {replica.snapshot.revision}")
    if digest is not None and digest != witness.digest:
        raise _rewound(witness, f"this store has another change as revision {witness.revision}")
    if witness.fence > lease.fence:
        raise LeaseLost(f"a younger applier, of fence {witness.fence}, has driven the cluster")
    if not await replica.wait_revision(witness.revision, _REPLICA_PATIENCE_SECONDS):
        raise TransientError("REPLICA_BEHIND", f"revision {witness.revision} has not arrived in this process yet")


def _rewound(witness: Witness, what: str) -> Held:
    return Held(
        STORE_REWOUND,
        f"the cluster was last driven at revision {witness.revision} of the store of epoch {witness.epoch}, "
        f"and {what}: the store was lost, or restored from an older copy. Nothing is changed on the cluster. To go on, "
        "bring that store's data back; or, to have the cluster follow this store, remove the witness on the cluster",
    )
