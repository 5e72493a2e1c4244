"""Converts what appliers have observed on clusters to messages."""

from egress.v1 import inventory_pb2 as pb
from egress_server.contract.common import EnumField, write_time
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.status import Drift, DriftKind
from egress_server.domain.observed.inventory import PolicyGap, PolicyGapKind, StaleWorkload

_DRIFT = EnumField(pb.DriftedObject.Kind, DriftKind)
_POLICY_GAP = EnumField(pb.PolicyGap.Kind, PolicyGapKind)


def write_drift(mesh: str, cluster: str, drift: Drift) -> pb.DriftedObject:
    """A drifted object."""
    return pb.DriftedObject(
        cluster=cluster_name(mesh, cluster),
        kind=_DRIFT.write(drift.kind),
        object_kind=drift.object_kind,
        namespace=drift.namespace,
        name=drift.name,
        resource=drift.resource,
        manager=drift.manager,
        detect_time=write_time(drift.seen_time),
        heal_time=write_time(drift.heal_time),
    )


def write_policy_gap(mesh: str, cluster: str, gap: PolicyGap) -> pb.PolicyGap:
    """A policy gap."""
    return pb.PolicyGap(
        cluster=cluster_name(mesh, cluster),
        kind=_POLICY_GAP.write(gap.kind),
        object_kind=gap.object_kind,
        namespace=gap.namespace,
        name=gap.name,
        reason=gap.why,
    )


def write_stale_workload(mesh: str, cluster: str, workload: StaleWorkload) -> pb.StaleWorkload:
    """A workload under older interception rules."""
    return pb.StaleWorkload(
        cluster=cluster_name(mesh, cluster),
        kind=workload.kind,
        namespace=workload.namespace,
        name=workload.name,
        stale_pods=workload.stale_pods,
        pods=workload.pods,
        reason=workload.why,
    )


def cluster_name(mesh: str, id_: str) -> str:
    """The resource name of a cluster."""
    return str(Name(mesh, ResourceKind.CLUSTER, id_))
