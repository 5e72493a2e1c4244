"""One look at one cluster: what was gathered there, whether we may do anything, and what is to do. Others act."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.drift.drift_watch import DriftWatch
from egress_server.delivery.guards import check_deletions, check_witness
from egress_server.delivery.leases import HeldLease
from egress_server.domain.desired.effective import Effective, effective, last_expiry, without
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.diff.drift import Objects
from egress_server.domain.diff.plan import diff
from egress_server.domain.model.clusters import Cluster, DriftPolicy, Mesh
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.status import Problem
from egress_server.domain.render import render
from egress_server.ports.target import Live, Target, Witness


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """What to do on a cluster, in the light of what `live` there. `served` is what it should hold, as `objects` there,
    less what its target can't serve, which `obstacles` gives the reason for by resource name."""

    live: Live
    served: Effective
    objects: Objects
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
    faults_ended_to: datetime | None
    """The latest end of a fault that is over by now and still in desired state."""
    drifted: frozenset[str]
    """Resources that somebody else's changes, made or taken back since the last look, are about."""

    @property
    def changes(self) -> bool:
        """Whether any object is to change."""
        return bool(self.upsert or self.delete)

    @property
    def idle(self) -> bool:
        """Whether nothing at all is to do."""
        return self.witnessed and not self.changes

    @property
    def changing(self) -> frozenset[ObjectKey]:
        """The objects that are to change."""
        return frozenset((*map(key_of, self.upsert), *self.delete))


async def plan_reconcile(
    cluster_id: str, target: Target, live: Live, shop: ApplierContext, lease: HeldLease, drift: DriftWatch
) -> ReconcilePlan:
    """Decides on what was gathered. Raises Held, LeaseLost, TransientError, and what the store raises."""
    known = live.witness is not None and await check_witness(live.witness, _registered(cluster_id, shop), shop, lease)
    snapshot, cluster = shop.replica.snapshot, _registered(cluster_id, shop)
    # All of one moment: a snapshot moves on while we wait for the digest.
    now = shop.store_clock.now()
    wanted, ended_to = effective(snapshot, cluster, now), last_expiry(snapshot, cluster, now)
    digest = await shop.digests.of(wanted.revision)
    if digest is None:
        raise TransientError("REVISION_UNKNOWN", f"the store does not have revision {wanted.revision} that we follow")
    witness = Witness(snapshot.epoch, wanted.revision, digest, lease.fence)
    return _work(wanted, target, live, witness, ended_to, drift, known=known, report=_drift_is_left(snapshot))


def _registered(cluster_id: str, shop: ApplierContext) -> Cluster:
    cluster = shop.replica.snapshot.cluster(cluster_id)
    if cluster is None:
        raise TransientError("NOT_REGISTERED", f"cluster {cluster_id} is no longer registered")
    return cluster


def _work(
    wanted: Effective,
    target: Target,
    live: Live,
    witness: Witness,
    ended_to: datetime | None,
    drift: DriftWatch,
    *,
    known: bool,
    report: bool,
) -> ReconcilePlan:
    fit = target.fit(render(wanted), wanted.cluster, live)
    objects = {key_of(obj): obj for obj in fit.objects}
    known = known and not wanted.cluster.draining
    seen = drift.look(live, objects, known=known, revision=witness.revision, report=report)
    changes = [change for change in diff(live.objects, fit.objects) if change.key not in seen.leave]
    upsert = [change.after for change in changes if change.after is not None]
    delete = tuple(change.key for change in changes if change.after is None)
    check_deletions(delete, live, wanted.cluster)
    left = None if wanted.cluster.draining else witness
    held = live.witness and replace(live.witness, fence=witness.fence)
    return ReconcilePlan(
        live=live,
        served=without(wanted, fit.obstacles),
        objects=objects,
        obstacles=fit.obstacles,
        upsert=tuple(sorted(upsert, key=lambda obj: _age(wanted, obj))),
        delete=delete,
        witness=witness,
        left_witness=left,
        witnessed=held == left,
        fault_ends=tuple(active.expire_time for active in wanted.faults),
        faults_ended_to=ended_to,
        drifted=seen.resources,
    )


def _drift_is_left(snapshot: Snapshot) -> bool:
    mesh = snapshot.get(f"meshes/{snapshot.mesh}")
    return mesh is not None and isinstance(mesh.resource, Mesh) and mesh.resource.drift_policy is DriftPolicy.REPORT


def _age(wanted: Effective, obj: IstioObject) -> tuple[float, ObjectKey]:
    """Policies first, then entries from the oldest; of equal age by key."""
    name = resource_of(obj)
    born = wanted.create_times[name].timestamp() if parse_name(name).kind is ResourceKind.SERVICE_ENTRY else 0.0
    return born, key_of(obj)
