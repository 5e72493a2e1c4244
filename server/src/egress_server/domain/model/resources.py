"""Desired state: what callers set, the store keeps and clusters are driven to.

The dataclasses are also the stored form (as JSON), so a field once released is never renamed or given another
meaning; new fields need a default.
"""

from dataclasses import dataclass, field
from enum import Enum

from egress_server.domain.model.names import Name, namespace_of, parse_name

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a policy holds. An empty namespace is the mesh; labels only go with a namespace."""

    namespace: str = ""
    match_labels: Labels = field(default_factory=dict)

    def key(self) -> str:
        """Canonical text: equal for equal scopes."""
        labels = ",".join(f"{k}={v}" for k, v in sorted(self.match_labels.items()))
        return f"{self.namespace}/{labels}"


@dataclass(frozen=True, slots=True)
class ClusterSelector:
    """Which clusters a resource applies to: by id, by labels, or (both empty) all."""

    clusters: tuple[str, ...] = ()
    match_labels: Labels = field(default_factory=dict)

    def selects(self, cluster: "Cluster") -> bool:
        """Whether `cluster` is meant."""
        if self.clusters:
            return cluster.id in self.clusters
        return all(cluster.labels.get(key) == value for key, value in self.match_labels.items())

    @property
    def rank(self) -> int:
        """Of two policies for one scope the higher rank wins: named clusters, then labels, then all."""
        return 2 if self.clusters else 1 if self.match_labels else 0


class OutboundMode(Enum):
    """Istio's outboundTrafficPolicy.mode."""

    ALLOW_ANY = "ALLOW_ANY"
    REGISTRY_ONLY = "REGISTRY_ONLY"


class Protocol(Enum):
    """Istio's port protocols."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    GRPC = "GRPC"
    HTTP2 = "HTTP2"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "MONGO"
    GRPC_WEB = "GRPC-WEB"

    @property
    def is_http(self) -> bool:
        """Whether the sidecar sees requests: routes, faults and Host matching work."""
        # Compared by identity: a set would hash members by a method in Python, and this is asked all the time.
        return self in (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)

    @property
    def is_tls(self) -> bool:
        """Whether the sidecar sees only the server name."""
        return self in (Protocol.HTTPS, Protocol.TLS)


class Resolution(Enum):
    """Istio's ServiceEntry.resolution."""

    NONE = "NONE"
    STATIC = "STATIC"
    DNS = "DNS"
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    DYNAMIC_DNS = "DYNAMIC_DNS"


class Location(Enum):
    """Istio's ServiceEntry.location."""

    MESH_EXTERNAL = "MESH_EXTERNAL"
    MESH_INTERNAL = "MESH_INTERNAL"


class MatchKind(Enum):
    """How a header's value is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    PRESENT = "present"


class TargetKind(Enum):
    """How a cluster is driven."""

    LOCAL = "local"
    DIRECTORY = "directory"
    KUBERNETES = "kubernetes"


class DriftPolicy(Enum):
    """What happens to an object of ours that somebody else changed."""

    HEAL = "HEAL"
    REPORT = "REPORT"


class MeshPolicyBackend(Enum):
    """Where a mesh-wide outbound policy is written in a Kubernetes cluster."""

    BOTH = "BOTH"
    SIDECAR = "SIDECAR"
    MESH_CONFIG = "MESH_CONFIG"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of an external service. `target_port` 0 means the same as `number`."""

    number: int
    protocol: Protocol
    name: str
    target_port: int = 0

    @classmethod
    def of(cls, number: int, protocol: Protocol, name: str, target_port: int) -> "ServicePort":
        """A port as given; without a name it is called by protocol and number, unique as the numbers are."""
        return cls(number, protocol, name or f"{protocol.value.lower()}-{number}", target_port)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place a service is served from. `ports` maps port names to numbers; `weight` 0 means 1."""

    address: str
    ports: dict[str, int] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    locality: str = ""
    weight: int = 0


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """What a request header must be; `kind` is exact, prefix, regex or present (then without a value)."""

    name: str
    kind: MatchKind = MatchKind.PRESENT
    value: str = ""


@dataclass(frozen=True, slots=True)
class Retries:
    """Tries beyond the first; `per_try_timeout` in seconds, None for no limit of its own."""

    attempts: int
    per_try_timeout: float | None = None
    retry_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightedDestination:
    """One of several places that requests go to; `port` 0 means the port that was asked."""

    host: str
    port: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Where the requests go that carry all of `match_headers`."""

    destinations: tuple[WeightedDestination, ...]
    match_headers: tuple[HeaderMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsOrigination:
    """The sidecar speaks TLS for requests to the HTTP port `port`; an empty `sni` means the host."""

    port: int = 80
    sni: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits for each sidecar; 0 means none. `connect_timeout` in seconds."""

    max_connections: int = 0
    connect_timeout: float | None = None
    max_pending_requests: int = 0
    max_requests_per_connection: int = 0


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """Takes failing addresses out for a while; 0 and None mean Istio's defaults. Times in seconds."""

    consecutive_5xx_errors: int = 0
    interval: float | None = None
    base_ejection_time: float | None = None
    max_ejection_percent: int = 0


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """How traffic to an external service is treated; what is None or empty is left to Istio. `timeout` in seconds."""

    timeout: float | None = None
    retries: Retries | None = None
    routes: tuple[Route, ...] = ()
    tls_origination: TlsOrigination | None = None
    connection_limits: ConnectionLimits | None = None
    outlier_detection: OutlierDetection | None = None


@dataclass(frozen=True, slots=True)
class Mesh:
    """One policy domain."""

    name: str
    display_name: str = ""
    labels: Labels = field(default_factory=dict)
    drift_policy: DriftPolicy = DriftPolicy.HEAL


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """How a Kubernetes cluster is reached and driven.

    `kubeconfig` is sealed wherever it is kept (ports.secrets.Sealer). With none of `kubeconfig`, `secret` and
    `in_cluster` the applier must have been given its own way to the cluster. `secret` is NAMESPACE/NAME of a Secret in
    the cluster that the applier runs in, with the key `kubeconfig`.
    """

    kubeconfig: str = field(default="", repr=False)
    context: str = ""
    secret: str = ""
    in_cluster: bool = False
    istio_revision: str = ""
    """Istio's revision, such as canary: part of the names of its ConfigMaps. Empty is the default one."""
    root_namespace: str = "istio-system"
    mesh_policy: MeshPolicyBackend = MeshPolicyBackend.BOTH


@dataclass(frozen=True, slots=True)
class RestartOrder:
    """Have workloads restarted, one after the other. Each is KIND/NAMESPACE/NAME; none means all that run old
    interception rules. `id` tells one order from the next."""

    id: str
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A place where policy is applied."""

    name: str
    target: TargetKind
    labels: Labels = field(default_factory=dict)
    path: str = ""
    """Of a directory target: its folder below the server's --directory-root; the id where empty."""
    service_cidrs: tuple[str, ...] = ()
    draining: bool = False
    """What is ours goes away from the cluster, because it is about to be deregistered."""
    kubernetes: KubernetesTarget | None = None
    """Of a Kubernetes target, and of no other."""
    adopted: tuple[str, ...] = ()
    """Objects that are not ours and may be changed where they stand in the way, as KIND/NAMESPACE/NAME."""
    approved: str = ""
    """Token of the deletion that somebody approved (domain.rollout.Problem)."""
    accepted: str = ""
    """Token of the witness that may be overruled: the cluster is to follow this store from there on."""
    restart: RestartOrder | None = None
    """The last restart that was asked for."""

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Whether traffic to unregistered destinations may leave."""

    name: str
    mode: OutboundMode
    scope: Scope = Scope()
    cluster_selector: ClusterSelector = ClusterSelector()


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """An external service in the mesh's registry; fields as in Istio's ServiceEntry."""

    name: str
    hosts: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    resolution: Resolution = Resolution.NONE
    location: Location = Location.MESH_EXTERNAL
    endpoints: tuple[Endpoint, ...] = ()
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    cluster_selector: ClusterSelector = ClusterSelector()
    traffic: TrafficSettings = TrafficSettings()

    @property
    def namespace(self) -> str:
        """The namespace it lives in."""
        return namespace_of(self.name)

    def visible_to(self, namespace: str) -> bool:
        """Whether workloads of `namespace` see it (exportTo; empty means all, as by Istio's default)."""
        own = self.namespace
        return not self.export_to or any(
            to == "*" or to == namespace or (to == "." and own == namespace) for to in self.export_to
        )


@dataclass(frozen=True, slots=True)
class Delay:
    """Requests wait `seconds`; `percent` is above 0 to 100."""

    seconds: float
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Abort:
    """Requests are answered with `http_status`, or where that is 0 with `grpc_status`."""

    http_status: int = 0
    grpc_status: str = ""
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Disturbs requests to `host` for `ttl` seconds from its last update, by the store's clock."""

    name: str
    host: str
    ttl: float
    delay: Delay | None = None
    abort: Abort | None = None
    ports: tuple[int, ...] = ()
    match_headers: tuple[HeaderMatch, ...] = ()
    source_labels: Labels = field(default_factory=dict)
    source_namespace: str = ""
    cluster_selector: ClusterSelector = ClusterSelector()

    @property
    def namespace(self) -> str:
        """The namespace it lives in."""
        return parse_name(self.name).namespace


@dataclass(frozen=True, slots=True)
class Interception:
    """Which outbound connections go through the sidecar. Empty `include_cidrs` means all, unless `none` or
    `include_service_cidrs` is set; exclude beats include."""

    name: str
    scope: Scope = Scope()
    include_cidrs: tuple[str, ...] = ()
    exclude_cidrs: tuple[str, ...] = ()
    include_service_cidrs: bool = False
    none: bool = False
    include_outbound_ports: tuple[int, ...] = ()
    exclude_outbound_ports: tuple[int, ...] = ()
    cluster_selector: ClusterSelector = ClusterSelector()


Resource = Mesh | Cluster | OutboundPolicy | ServiceEntry | Fault | Interception
Selected = OutboundPolicy | ServiceEntry | Fault | Interception
"""Resources that apply to the clusters they select."""
Scoped = OutboundPolicy | Interception
"""Resources of which the strongest of a scope holds."""


def name_of(resource: Resource) -> Name:
    """The resource's name taken apart."""
    return parse_name(resource.name)


def is_routed(traffic: TrafficSettings) -> bool:
    """Whether such settings need a VirtualService."""
    return traffic.timeout is not None or traffic.retries is not None or bool(traffic.routes)
