"""A cluster's stored form, which releases since 0.1.0 read and write: one flat record for every kind of target.

Its field names are JSON keys in Redis: none is ever renamed, and a new one needs a default.
"""

from dataclasses import dataclass, field
from enum import Enum

from egress_server.domain.model.clusters import (
    Cluster,
    ClusterTarget,
    DirectoryTarget,
    KubernetesTarget,
    LocalTarget,
    MeshPolicyBackend,
    Orders,
    RestartOrder,
)
from egress_server.domain.model.selectors import Labels


class _TargetKind(Enum):
    LOCAL = "local"
    DIRECTORY = "directory"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class _KubernetesRecord:
    kubeconfig: str = field(default="", repr=False)
    context: str = ""
    secret: str = ""
    in_cluster: bool = False
    istio_revision: str = ""
    root_namespace: str = "istio-system"
    mesh_policy: MeshPolicyBackend = MeshPolicyBackend.BOTH


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """The record of one cluster; `path` belongs to directory targets, `kubernetes` to Kubernetes targets."""

    name: str
    target: _TargetKind
    labels: Labels = field(default_factory=dict)
    path: str = ""
    service_cidrs: tuple[str, ...] = ()
    draining: bool = False
    kubernetes: _KubernetesRecord | None = None
    adopted: tuple[str, ...] = ()
    approved: str = ""
    accepted: str = ""
    restart: RestartOrder | None = None


def to_record(cluster: Cluster) -> ClusterRecord:
    """The stored form of `cluster`."""
    target, orders = cluster.target, cluster.orders
    return ClusterRecord(
        name=cluster.name,
        target=_TargetKind(target.kind),
        labels=cluster.labels,
        path=target.path if isinstance(target, DirectoryTarget) else "",
        service_cidrs=target.service_cidrs,
        draining=cluster.draining,
        kubernetes=_kubernetes_record(target) if isinstance(target, KubernetesTarget) else None,
        adopted=orders.adopted,
        approved=orders.approved,
        accepted=orders.accepted,
        restart=orders.restart,
    )


def from_record(record: ClusterRecord) -> Cluster:
    """The cluster in its stored form."""
    orders = Orders(record.adopted, record.approved, record.accepted, record.restart)
    return Cluster(record.name, _target(record), record.labels, record.draining, orders)


def _target(record: ClusterRecord) -> ClusterTarget:
    match record.target:
        case _TargetKind.LOCAL:
            return LocalTarget(record.service_cidrs)
        case _TargetKind.DIRECTORY:
            return DirectoryTarget(record.path, record.service_cidrs)
        case _TargetKind.KUBERNETES:
            kubernetes = record.kubernetes or _KubernetesRecord()
            return KubernetesTarget(
                kubernetes.kubeconfig,
                kubernetes.context,
                kubernetes.secret,
                kubernetes.in_cluster,
                kubernetes.istio_revision,
                kubernetes.root_namespace,
                kubernetes.mesh_policy,
                record.service_cidrs,
            )


def _kubernetes_record(target: KubernetesTarget) -> _KubernetesRecord:
    return _KubernetesRecord(
        target.kubeconfig,
        target.context,
        target.secret,
        target.in_cluster,
        target.istio_revision,
        target.root_namespace,
        target.mesh_policy,
    )
