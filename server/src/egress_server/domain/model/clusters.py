"""Meshes and their clusters: how each cluster is reached, and what operators have ordered for it."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from egress_server.domain.model.selectors import Labels


class DriftPolicy(Enum):
    """What happens to a managed object that another client changed."""

    HEAL = "HEAL"
    REPORT = "REPORT"


class MeshPolicyBackend(Enum):
    """Where a mesh-wide outbound policy is written in a Kubernetes cluster."""

    BOTH = "BOTH"
    SIDECAR = "SIDECAR"
    MESH_CONFIG = "MESH_CONFIG"


@dataclass(frozen=True, slots=True)
class Mesh:
    """One policy domain. Stored as JSON: a released field is never renamed, and a new one needs a default."""

    name: str
    display_name: str = ""
    labels: Labels = field(default_factory=dict)
    drift_policy: DriftPolicy = DriftPolicy.HEAL


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """One workload with a real Envoy, run by the server itself."""

    kind: ClassVar[str] = "local"
    service_cidrs: tuple[str, ...] = ()
    """The IP ranges of the cluster's own services."""


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """A directory of YAML files, for GitOps."""

    kind: ClassVar[str] = "directory"
    path: str = ""
    """Relative to the server's --directory-root; empty means the cluster's id."""
    service_cidrs: tuple[str, ...] = ()
    """The IP ranges of the cluster's own services."""


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """A Kubernetes cluster with Istio.

    `kubeconfig` is encrypted wherever it is stored (ports.identity.Sealer). If `kubeconfig`, `secret` and `in_cluster`
    are all unset, the applier must have been started with its own access to the cluster. `secret` is NAMESPACE/NAME of
    a Secret with the key `kubeconfig`, in the cluster that the applier runs in.
    """

    kind: ClassVar[str] = "kubernetes"
    kubeconfig: str = field(default="", repr=False)
    context: str = ""
    secret: str = ""
    in_cluster: bool = False
    istio_revision: str = ""
    """Istio's revision, such as canary, which is part of the names of its ConfigMaps; empty means the default one."""
    root_namespace: str = "istio-system"
    mesh_policy: MeshPolicyBackend = MeshPolicyBackend.BOTH
    service_cidrs: tuple[str, ...] = ()
    """The IP ranges of the cluster's own services; if empty, those that its applier discovers."""


ClusterTarget = LocalTarget | DirectoryTarget | KubernetesTarget


@dataclass(frozen=True, slots=True)
class RestartOrder:
    """A request to restart workloads one after the other, each written KIND/NAMESPACE/NAME; without any, all those that
    run with outdated interception rules. `id` tells one order from the next."""

    id: str
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators have ordered for a cluster. A new registration of the cluster keeps it."""

    adopted: tuple[str, ...] = ()
    """Foreign objects that mesh-egress may change when they conflict with policy, as KIND/NAMESPACE/NAME."""
    approved: str = ""
    """Token of the deletion that was approved (status.Problem)."""
    accepted: str = ""
    """Token of the witness that may be overruled: the cluster accepts this store as authoritative."""
    restart: RestartOrder | None = None
    """The last restart that was requested."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A place where policy is applied. store.cluster_record defines its stored form."""

    name: str
    target: ClusterTarget
    labels: Labels = field(default_factory=dict)
    draining: bool = False
    """Managed objects are being removed, because the cluster is about to be deregistered."""
    orders: Orders = Orders()

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


def kubernetes_settings(cluster: Cluster) -> KubernetesTarget:
    """The settings of a Kubernetes cluster, or the defaults if it is of another kind."""
    return cluster.target if isinstance(cluster.target, KubernetesTarget) else KubernetesTarget()
