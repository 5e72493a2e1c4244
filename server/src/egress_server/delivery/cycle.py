"""One look at one cluster: gather what is there, make sure that we may, decide what is to do. Acting is the worker's.

The witness on the cluster guards it against its own control plane: a store that was lost, or restored from an older
copy, knows less than the cluster does, and what it does not know it would delete.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from egress_server.delivery.lease import HeldLease, LeaseLost
from egress_server.delivery.shop import Shop
from egress_server.domain.effective import Effective, effective, faults_ended_to, without
from egress_server.domain.errors import TransientError
from egress_server.domain.names import Kind, parse_name
from egress_server.domain.plan import diff
from egress_server.domain.render import render
from egress_server.domain.render.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.render.strip import next_end
from egress_server.domain.rollout import Problem
from egress_server.ports.target import Live, Target, Witness

STORE_REWOUND = "STORE_REWOUND"
_REPLICA_PATIENCE_SECONDS = 5.0


class Held(Exception):
    """A guard forbids to touch the cluster; `reason` is stable, the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Work:
    """What to do on a cluster. `served` is what it should hold, less what its target can't serve, which
    `obstacles` gives the reason for by resource name."""

    served: Effective
    obstacles: Mapping[str, Problem]
    upsert: tuple[IstioObject, ...]
    delete: tuple[ObjectKey, ...]
    witness: Witness
    left_witness: Witness | None
    """What the cluster is to remember of it; None where it is to be let go of."""
    witnessed: bool
    """Whether the cluster remembers just that already."""
    fault_ends: tuple[datetime, ...]
    """When the faults end that it should hold."""
    held_fault_end: datetime | None
    """When the first of the faults ends that it holds now."""
    faults_ended_to: datetime | None
    """The latest end of a fault that is over by now and still in desired state."""

    @property
    def changes(self) -> bool:
        """Whether any object is to change."""
        return bool(self.upsert or self.delete)

    @property
    def idle(self) -> bool:
        """Whether nothing at all is to do."""
        return self.witnessed and not self.changes


async def decide(cluster_id: str, target: Target, shop: Shop, lease: HeldLease) -> Work:
    """Gathers and decides. Raises Held, LeaseLost, TransientError, PermanentError, and what the store raises."""
    lease.check()
    live = await target.gather()
    if live.witness is not None:
        await _check_witness(live.witness, shop, lease)
    snapshot = shop.replica.snapshot
    cluster = snapshot.cluster(cluster_id)
    if cluster is None:
        raise TransientError("NOT_REGISTERED", f"cluster {cluster_id} is no longer registered")
    # All of one moment: a snapshot moves on while we wait for the digest.
    now, epoch = shop.store_clock.now(), snapshot.epoch
    wanted, ended_to = effective(snapshot, cluster, now), faults_ended_to(snapshot, cluster, now)
    digest = await shop.digests.of(wanted.revision)
    if digest is None:
        raise TransientError("REVISION_UNKNOWN", f"the store does not have revision {wanted.revision} that we follow")
    return _work(wanted, target, live, Witness(epoch, wanted.revision, digest, lease.fence), ended_to)


def _work(wanted: Effective, target: Target, live: Live, witness: Witness, ended_to: datetime | None) -> Work:
    fit = target.fit(render(wanted), wanted.cluster, live)
    changes = diff(live.objects, fit.objects)
    upsert = [change.after for change in changes if change.after is not None]
    left = None if wanted.cluster.draining else witness
    held = live.witness and replace(live.witness, fence=witness.fence)
    return Work(
        served=without(wanted, fit.obstacles),
        obstacles=fit.obstacles,
        upsert=tuple(sorted(upsert, key=lambda obj: _age(wanted, obj))),
        delete=tuple(change.key for change in changes if change.after is None),
        witness=witness,
        left_witness=left,
        witnessed=held == left,
        fault_ends=tuple(active.expire_time for active in wanted.faults),
        held_fault_end=next_end(live.objects.values()),
        faults_ended_to=ended_to,
    )


def _age(wanted: Effective, obj: IstioObject) -> tuple[float, ObjectKey]:
    """Policies first, then entries from the oldest; of equal age by key."""
    name = resource_of(obj)
    born = wanted.created[name].timestamp() if parse_name(name).kind is Kind.SERVICE_ENTRY else 0.0
    return born, key_of(obj)


async def _check_witness(witness: Witness, shop: Shop, lease: HeldLease) -> None:
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
