"""What an applier sees on a cluster and does not own, compact and bounded: one record a cluster.

Explain, the registry and lint take it as a further input: what is not ours decides as well. A cluster has more than
fits; what was left out is counted in `left_out`, and whoever reads the record says so.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from egress_server.domain.model.resources import Labels, ServiceEntry, ServicePort

MAX_ITEMS = 2_000
"""At most so many of each kind are kept; a record stays below about 1 MiB."""
MAX_POLICY_GAPS = 500
MAX_WORKLOADS = 1_000


@dataclass(frozen=True, slots=True)
class KnownService:
    """A Kubernetes Service, as its host in the mesh's registry. `addresses` are its cluster IPs; none where it is
    headless. A port whose protocol Istio finds out by itself stands as TCP."""

    namespace: str
    name: str
    host: str
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """A ServiceEntry that is not ours. `entry.name` has the form of ours, so that it can stand beside them; `owner` is
    its last field manager."""

    entry: ServiceEntry
    create_time: datetime
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ForeignVirtualService:
    """A VirtualService that is not ours. `mesh` says that sidecars heed it (and not only gateways); `faults` that some
    route of it injects one, `answers` that requests may be answered by it: redirected, responded to directly, or with
    404 where no route fits."""

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
    """A Sidecar that is not ours. `mode` is the outbound mode it comes to, REGISTRY_ONLY where it is written as an
    empty object; empty where it says nothing. `egress_hosts` is empty where it does not restrict."""

    namespace: str
    name: str
    create_time: datetime
    match_labels: Labels = field(default_factory=dict)
    mode: str = ""
    egress_hosts: tuple[str, ...] = ()
    owner: str = ""


class PolicyGapKind(Enum):
    """Why something is not held by a mesh-wide REGISTRY_ONLY."""

    SIDECAR_WITHOUT_MODE = "SIDECAR_WITHOUT_MODE"
    SIDECAR_ALLOWS_ANY = "SIDECAR_ALLOWS_ANY"
    NOT_CAPTURED = "NOT_CAPTURED"
    EXCLUDED = "EXCLUDED"
    AMBIENT = "AMBIENT"


@dataclass(frozen=True, slots=True)
class PolicyGap:
    """A namespace, Sidecar or pod that policy does not hold, and why, for people."""

    kind: PolicyGapKind
    object_kind: str
    namespace: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class StaleWorkload:
    """A workload whose pods were created under older interception rules. `kind` is Deployment, StatefulSet, DaemonSet,
    Pod (one that nobody owns), or another controller's."""

    kind: str
    namespace: str
    name: str
    stale_pods: int
    pods: int
    why: str

    @property
    def restartable(self) -> bool:
        """Whether a restart brings new pods: of any other kind somebody has to do that by hand."""
        return self.kind in {"Deployment", "StatefulSet", "DaemonSet"}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a cluster can do. Versions are as it tells them; empty where it does not."""

    kubernetes_version: str = ""
    istio_version: str = ""
    ambient: bool = False
    mutating_admission_policy: bool = False
    service_cidr_api: bool = False
    missing_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The record of one cluster. `mesh_mode` is what its MeshConfig comes to by itself (ALLOW_ANY, REGISTRY_ONLY, ...);
    empty where that is not known.

    `injector` is what the injector's values come to where nothing of ours is in them: includeIPRanges,
    excludeIPRanges, includeOutboundPorts and excludeOutboundPorts, comma-joined as they are written there; empty where
    that is not known. `workloads` is how many workloads have a sidecar, by namespace.
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
