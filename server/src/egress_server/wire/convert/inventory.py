"""What appliers have seen on clusters, to messages."""

from egress.v1 import inventory_pb2 as pb
from egress_server.commands.seen import Observed
from egress_server.domain.inventory import Escape, EscapeKind, StaleWorkload
from egress_server.domain.names import Kind, Name
from egress_server.domain.rollout import Drift, DriftKind
from egress_server.wire.convert.common import EnumField, write_time

_DRIFT = EnumField(pb.DriftedObject.Kind, DriftKind)
_ESCAPE = EnumField(pb.Escape.Kind, EscapeKind)


def write_drift(mesh: str, cluster: str, drift: Drift) -> pb.DriftedObject:
    """An object that somebody else changed."""
    return pb.DriftedObject(
        cluster=_cluster(mesh, cluster),
        kind=_DRIFT.write(drift.kind),
        object_kind=drift.object_kind,
        namespace=drift.namespace,
        name=drift.name,
        resource=drift.resource,
        manager=drift.manager,
        seen_time=write_time(drift.seen_time),
        heal_time=write_time(drift.heal_time),
    )


def write_escape(mesh: str, cluster: str, escape: Escape) -> pb.Escape:
    """Something that policy does not hold."""
    return pb.Escape(
        cluster=_cluster(mesh, cluster),
        kind=_ESCAPE.write(escape.kind),
        object_kind=escape.object_kind,
        namespace=escape.namespace,
        name=escape.name,
        why=escape.why,
    )


def write_stale_workload(mesh: str, cluster: str, workload: StaleWorkload) -> pb.StaleWorkload:
    """A workload under older rules."""
    return pb.StaleWorkload(
        cluster=_cluster(mesh, cluster),
        kind=workload.kind,
        namespace=workload.namespace,
        name=workload.name,
        stale_pods=workload.stale_pods,
        pods=workload.pods,
        why=workload.why,
    )


def write_observation(mesh: str, observed: Observed) -> pb.Observation:
    """How good a cluster's part of a list is."""
    return pb.Observation(
        cluster=_cluster(mesh, observed.cluster),
        observe_time=write_time(observed.time),
        left_out_count=observed.left_out,
    )


def _cluster(mesh: str, id_: str) -> str:
    return str(Name(mesh, Kind.CLUSTER, id_))
