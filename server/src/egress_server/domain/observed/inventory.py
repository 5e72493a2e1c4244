"""Inventory: what an applier observes on a cluster and does not manage, as one compact and bounded record per cluster.

Explain, the registry and lint use it as a further input, because foreign objects take effect as well. If a cluster has
more objects than fit, `left_out` counts the rest, and readers of the record mention it. Stored as JSON: a released
field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from egress_server.domain.istio.destination_rule import DestinationRuleSpec
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.istio.sidecar import EgressListener, EgressProxy
from egress_server.domain.istio.virtual_service import VirtualServiceSpec
from egress_server.domain.model.resources import ServiceEntry, ServicePort
from egress_server.domain.model.selectors import Labels

MAX_ITEMS = 2_000
"""The maximum number of objects of each kind, which keeps a record below about 1 MiB."""
MAX_RULES = 5_000
"""The maximum number of rules, matches and destinations of all VirtualServices together."""
MAX_ENDPOINTS = 100
"""The maximum number of addresses of one Service or ServiceEntry."""
MAX_POLICY_GAPS = 500
MAX_WORKLOADS = 1_000


@dataclass(frozen=True, slots=True)
class KnownService:
    """A Kubernetes Service with its host in the mesh's registry. `addresses` are its cluster IPs, empty if it is
    headless. `external_name` is the target of an ExternalName Service. `endpoint_addresses` are those that serve it,
    None if that is not known; of a Service with cluster IPs not all of them."""

    namespace: str
    name: str
    host: str
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    create_time: datetime | None = None
    external_name: str = ""
    endpoint_addresses: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """A foreign ServiceEntry. `entry.name` has the form of a resource name; `owner` is the last field manager; `labels`
    are the object's. `selected_addresses` are those of the workloads that its workloadSelector selects, None if it has
    no selector, or if they are not known."""

    entry: ServiceEntry
    create_time: datetime
    owner: str = ""
    labels: Labels = field(default_factory=dict)
    selected_addresses: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ForeignVirtualService:
    """A foreign VirtualService. `mesh`: it applies to sidecars, not only to gateways. `owner` is the last field
    manager. `spec` holds its rules, without managed ones; records of 0.1.0 have none."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    create_time: datetime
    export_to: tuple[str, ...] = ()
    mesh: bool = True
    owner: str = ""
    spec: VirtualServiceSpec = field(default_factory=VirtualServiceSpec)


@dataclass(frozen=True, slots=True)
class ForeignDestinationRule:
    """A foreign DestinationRule; `owner` is the last field manager."""

    namespace: str
    name: str
    create_time: datetime
    spec: DestinationRuleSpec
    owner: str = ""


@dataclass(frozen=True, slots=True)
class IgnoredObject:
    """An object that istiod does not read, such as one of another revision or of a namespace that discoverySelectors
    leave out, and why."""

    kind: str
    namespace: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class AllocatedAddress:
    """An address that istiod has allocated to a host of the ServiceEntry NAMESPACE/NAME, managed or foreign."""

    namespace: str
    name: str
    host: str
    address: str


@dataclass(frozen=True, slots=True)
class SelectedAddresses:
    """The addresses of the workloads that the managed ServiceEntry NAMESPACE/NAME selects."""

    namespace: str
    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnevaluatedObject:
    """An object that may change what sidecars do in a way that explain does not evaluate: an EnvoyFilter, a WasmPlugin,
    or a route of the Gateway API that is attached to a service. It applies to clients in `client_namespace` (empty: in
    all) that have `match_labels`, and to connections to `hosts` (empty: to any)."""

    kind: str
    namespace: str
    name: str
    client_namespace: str = ""
    match_labels: Labels = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    owner: str = ""

    def applies_to(self, namespace: str, labels: Labels, host: str) -> bool:
        """Whether it may change connections to `host` of a workload in `namespace` with these labels."""
        return (
            self.client_namespace in ("", namespace)
            and self.match_labels.items() <= labels.items()
            and (not self.hosts or host in self.hosts)
        )


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
    listeners: tuple[EgressListener, ...] = ()
    egress_proxy: EgressProxy | None = None


class PolicyGapKind(Enum):
    """Why a mesh-wide REGISTRY_ONLY policy is not enforced."""

    SIDECAR_WITHOUT_MODE = "SIDECAR_WITHOUT_MODE"
    SIDECAR_ALLOWS_ANY = "SIDECAR_ALLOWS_ANY"
    NOT_CAPTURED = "NOT_CAPTURED"
    EXCLUDED = "EXCLUDED"
    AMBIENT = "AMBIENT"
    INTERCEPTION = "INTERCEPTION"


@dataclass(frozen=True, slots=True)
class PolicyGap:
    """A namespace, Sidecar, pod or interception with which policy is not enforced, and a human-readable reason."""

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
    destination_rules: tuple[ForeignDestinationRule, ...] = ()
    mesh: MeshSettings = field(default_factory=MeshSettings)
    ignored: tuple[IgnoredObject, ...] = ()
    ignored_namespaces: tuple[str, ...] = ()
    """Namespaces that discoverySelectors leave out: istiod reads nothing in them."""
    allocated: tuple[AllocatedAddress, ...] = ()
    selected: tuple[SelectedAddresses, ...] = ()
    unevaluated: tuple[UnevaluatedObject, ...] = ()
    managed_times: dict[str, datetime] = field(default_factory=dict)
    """When the cluster created managed objects that compete with others by age: Sidecars, and ServiceEntries with a
    host that another entry or a Service has too, or whose connections are not distinguished by name. By resource name.
    """
    left_out: dict[str, int] = field(default_factory=dict)
