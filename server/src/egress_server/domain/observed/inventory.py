"""Inventory: what an applier observes on a cluster and does not manage, as one compact and bounded record per cluster.

Explain, the registry and lint use it as a further input, because foreign objects take effect as well. If a cluster has
more objects than fit, `left_out` counts the rest, and readers of the record mention it. Stored as JSON: a released
field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from egress_server.domain.model.resources import ServiceEntry, ServicePort
from egress_server.domain.model.selectors import Labels

MAX_ITEMS = 2_000
"""The maximum number of objects of each kind, which keeps a record below about 1 MiB."""
MAX_POLICY_GAPS = 500
MAX_WORKLOADS = 1_000


@dataclass(frozen=True, slots=True)
class KnownService:
    """A Kubernetes Service with its host in the mesh's registry. `addresses` are its cluster IPs, empty if it is
    headless. A port whose protocol Istio detects by itself is listed as TCP."""

    namespace: str
    name: str
    host: str
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """A foreign ServiceEntry. `entry.name` has the form of a resource name; `owner` is the last field manager."""

    entry: ServiceEntry
    create_time: datetime
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ForeignVirtualService:
    """A foreign VirtualService. `mesh`: it applies to sidecars, not only to gateways. `faults`: one of its routes
    injects a fault. `answers`: it may answer requests itself, by a redirect, a direct response, or with 404 if no route
    matches. `owner` is the last field manager."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    create_time: datetime
    export_to: tuple[str, ...] = ()
    mesh: bool = True
    faults: bool = False
    owner: str = ""
    answers: bool = False


@dataclass(frozen=True, slots=True)
class ForeignSidecar:
    """A foreign Sidecar. `mode` is its effective outbound mode, REGISTRY_ONLY if outboundTrafficPolicy is an empty
    object, and empty if it has none. `egress_hosts` is empty if it does not restrict them. `owner` is the last field
    manager."""

    namespace: str
    name: str
    create_time: datetime
    match_labels: Labels = field(default_factory=dict)
    mode: str = ""
    egress_hosts: tuple[str, ...] = ()
    owner: str = ""


class PolicyGapKind(Enum):
    """Why a mesh-wide REGISTRY_ONLY policy is not enforced."""

    SIDECAR_WITHOUT_MODE = "SIDECAR_WITHOUT_MODE"
    SIDECAR_ALLOWS_ANY = "SIDECAR_ALLOWS_ANY"
    NOT_CAPTURED = "NOT_CAPTURED"
    EXCLUDED = "EXCLUDED"
    AMBIENT = "AMBIENT"


@dataclass(frozen=True, slots=True)
class PolicyGap:
    """A namespace, Sidecar or pod on which policy is not enforced, and a human-readable reason."""

    kind: PolicyGapKind
    object_kind: str
    namespace: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class StaleWorkload:
    """A workload whose pods were created under older interception rules. `kind` is Deployment, StatefulSet, DaemonSet,
    Pod (one without an owner), or the kind of another controller."""

    kind: str
    namespace: str
    name: str
    stale_pods: int
    pods: int
    why: str

    @property
    def restartable(self) -> bool:
        """Whether a rolling restart recreates its pods; for every other kind that must be done manually."""
        return self.kind in {"Deployment", "StatefulSet", "DaemonSet"}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a cluster supports. Versions are empty if the cluster does not report them."""

    kubernetes_version: str = ""
    istio_version: str = ""
    ambient: bool = False
    mutating_admission_policy: bool = False
    service_cidr_api: bool = False
    missing_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The record of one cluster. `mesh_mode` is the effective mode of its MeshConfig without managed fields (ALLOW_ANY,
    REGISTRY_ONLY, ...), empty if unknown.

    `injector` holds the injector's effective values without managed fields: includeIPRanges, excludeIPRanges,
    includeOutboundPorts and excludeOutboundPorts, comma-separated as in its configuration; empty if unknown.
    `workloads` is the number of workloads with a sidecar, by namespace.
    """

    cluster: str
    observe_time: datetime
    capabilities: Capabilities = Capabilities()
    service_cidrs: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    mesh_mode: str = ""
    root_namespace: str = "istio-system"
    services: tuple[KnownService, ...] = ()
    entries: tuple[ForeignEntry, ...] = ()
    virtual_services: tuple[ForeignVirtualService, ...] = ()
    sidecars: tuple[ForeignSidecar, ...] = ()
    policy_gaps: tuple[PolicyGap, ...] = ()
    stale_workloads: tuple[StaleWorkload, ...] = ()
    injector: dict[str, str] = field(default_factory=dict)
    workloads: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
