"""Plans one reconcile of a cluster from what was gathered there. It reads the store and changes nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.drift.detector import DriftDetector
from egress_server.delivery.leases import HeldLease
from egress_server.delivery.reconcile.guards import check_deletions, check_witness
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
from egress_server.domain.render.virtual_service import resources_in
from egress_server.ports.target import Live, Target, Witness


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """What to change on a cluster, given what is `live` there. `served` is what it should hold, and `objects` the same
    as Istio objects, except for what its target can't serve: `obstacles` has the reason by resource name."""

    live: Live
    served: Effective
    objects: Objects
    obstacles: Mapping[str, Problem]
    upsert: tuple[IstioObject, ...]
    delete: tuple[ObjectKey, ...]
    witness: Witness
    new_witness: Witness | None
    """What the cluster should remember of the store; None if it is being cleaned up."""
    accepted: Witness | None
    """What it remembers now, if that is of another state of the store and may be overruled."""
    witness_is_current: bool
    """Whether the cluster remembers just that already."""
    fault_ends: tuple[datetime, ...]
    """When the faults end that it should hold."""
    last_expiry: datetime | None
    """The latest end of a fault that has ended and is still in desired state."""
    drifted: frozenset[str]
    """Resources whose objects other clients have changed, or changed back, since the last reconcile."""

    @property
    def has_changes(self) -> bool:
        """Whether any object is to change."""
        return bool(self.upsert or self.delete)

    @property
    def is_noop(self) -> bool:
        """Whether there is nothing to do at all."""
        return self.witness_is_current and not self.has_changes

    @property
    def changing(self) -> frozenset[ObjectKey]:
        """The objects that are to change."""
        return frozenset((*map(key_of, self.upsert), *self.delete))


async def plan_reconcile(
    cluster_id: str, target: Target, live: Live, context: ApplierContext, lease: HeldLease, drift: DriftDetector
) -> ReconcilePlan:
    """Plans from what was gathered. Raises HeldByGuard, LeaseLost, TransientError, and what the store raises."""
    cluster = _registered(cluster_id, context)
    known = live.witness is not None and await check_witness(live.witness, cluster, context, lease)
    snapshot, cluster = context.replica.snapshot, _registered(cluster_id, context)
    # All as of this moment: the snapshot moves on while the digest is read.
    now = context.store_clock.now()
    wanted, ended_to = effective(snapshot, cluster, now), last_expiry(snapshot, cluster, now)
    digest = await context.digests.of(wanted.revision)
    if digest is None:
        raise TransientError("REVISION_UNKNOWN", f"the store does not have revision {wanted.revision} of this process")
    witness = Witness(snapshot.epoch, wanted.revision, digest, lease.fence)
    return _plan(wanted, target, live, witness, ended_to, drift, known=known, report=_reports_drift(snapshot))


def with_held(
    obstacles: Mapping[str, Problem], objects: Iterable[IstioObject], refused: Collection[ObjectKey]
) -> dict[str, Problem]:
    """The obstacles, with what the cluster holds of these resources: the projected `objects` but the refused ones."""
    held: dict[str, set[str]] = defaultdict(set)
    for obj in objects if obstacles else ():
        if key_of(obj) not in refused:
            for resource in resources_in(obj):
                held[resource].add(obj["kind"])
    return {name: replace(problem, held=tuple(sorted(held[name]))) for name, problem in obstacles.items()}


def _registered(cluster_id: str, context: ApplierContext) -> Cluster:
    cluster = context.registration(cluster_id)
    if cluster is None:
        raise TransientError("NOT_REGISTERED", f"cluster {cluster_id} is no longer registered")
    return cluster


def _plan(
    wanted: Effective,
    target: Target,
    live: Live,
    witness: Witness,
    ended_to: datetime | None,
    drift: DriftDetector,
    *,
    known: bool,
    report: bool,
) -> ReconcilePlan:
    projection = target.project(render(wanted), wanted.cluster, live)
    objects = {key_of(obj): obj for obj in projection.objects}
    draining = wanted.cluster.draining
    detected = drift.detect(live, objects, known=known and not draining, revision=witness.revision, report=report)
    changes = [change for change in diff(live.objects, projection.objects) if change.key not in detected.leave]
    upsert = [change.after for change in changes if change.after is not None]
    delete = tuple(change.key for change in changes if change.after is None)
    check_deletions(delete, live, wanted.cluster)
    new_witness = None if draining else witness
    return ReconcilePlan(
        live=live,
        served=without(wanted, projection.obstacles),
        objects=objects,
        obstacles=projection.obstacles,
        upsert=tuple(sorted(upsert, key=lambda obj: _age(wanted, obj))),
        delete=delete,
        witness=witness,
        new_witness=new_witness,
        accepted=None if known else live.witness,
        witness_is_current=(live.witness and replace(live.witness, fence=witness.fence)) == new_witness,
        fault_ends=tuple(active.expire_time for active in wanted.faults),
        last_expiry=ended_to,
        drifted=detected.resources,
    )


def _reports_drift(snapshot: Snapshot) -> bool:
    """Whether the mesh wants drift to be reported only."""
    mesh = snapshot.get(f"meshes/{snapshot.mesh}")
    return mesh is not None and isinstance(mesh.resource, Mesh) and mesh.resource.drift_policy is DriftPolicy.REPORT


def _age(wanted: Effective, obj: IstioObject) -> tuple[float, ObjectKey]:
    """Sorts policies first, then entries from the oldest; those of equal age by key."""
    name = resource_of(obj)
    born = wanted.create_times[name].timestamp() if parse_name(name).kind is ResourceKind.SERVICE_ENTRY else 0.0
    return born, key_of(obj)
