"""Desired state: what callers set, the store keeps and appliers reconcile clusters to.

The dataclasses are also the stored form (as JSON): a released field is never renamed or given another meaning, and a
new field needs a default. Clusters are the exception, see store.cluster_record.
"""

from dataclasses import dataclass, field
from enum import Enum

from egress_server.domain.model.clusters import Cluster, Mesh
from egress_server.domain.model.names import Name, namespace_of, parse_name
from egress_server.domain.model.selectors import ClusterSelector, Labels, Scope
from egress_server.domain.model.traffic_policy import H2UpgradePolicy, LoadBalancer, OriginationMode, TcpKeepalive


class OutboundMode(Enum):
    """Istio's outboundTrafficPolicy.mode."""

    ALLOW_ANY = "ALLOW_ANY"
    REGISTRY_ONLY = "REGISTRY_ONLY"


class Protocol(Enum):
    """Istio's port protocols. The sidecar treats MYSQL and REDIS as TCP; a DETECTED port declares none, so the sidecar
    detects HTTP by the first bytes; sidecars don't serve UDP ports at all."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    GRPC = "GRPC"
    HTTP2 = "HTTP2"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "MONGO"
    GRPC_WEB = "GRPC-WEB"
    MYSQL = "MYSQL"
    REDIS = "REDIS"
    UDP = "UDP"
    DETECTED = ""

    @property
    def label(self) -> str:
        """The protocol as messages name it."""
        return self.value or "undeclared"

    @property
    def is_http(self) -> bool:
        """Whether the sidecar sees requests: routes, faults and Host matching work."""
        # Compared by identity: a set would call a Python-level __hash__, and this property is on hot paths.
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
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of an external service. `target_port` 0 means the same as `number`."""

    number: int
    protocol: Protocol
    name: str
    target_port: int = 0

    @classmethod
    def of(cls, number: int, protocol: Protocol, name: str, target_port: int) -> "ServicePort":
        """A port as given. The default name consists of protocol and number, so it is as unique as the number."""
        return cls(number, protocol, name or f"{protocol.value.lower() or 'port'}-{number}", target_port)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that serves the service. `ports` maps port names to numbers; `weight` 0 means 1."""

    address: str
    ports: dict[str, int] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    locality: str = ""
    weight: int = 0
    network: str = ""


@dataclass(frozen=True, slots=True)
class StringMatch:
    """A condition on a text, as in Istio's StringMatch; PRESENT only requires that there is one."""

    kind: MatchKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A condition on a request header: `kind` is exact, prefix, regex, or present (which has no value)."""

    name: str
    kind: MatchKind = MatchKind.PRESENT
    value: str = ""


@dataclass(frozen=True, slots=True)
class Retries:
    """Attempts after the first one; `per_try_timeout` in seconds, None for no limit of its own; `backoff` is the least
    number of seconds between attempts. What is None is up to Istio."""

    attempts: int
    per_try_timeout: float | None = None
    retry_on: tuple[str, ...] = ()
    backoff: float | None = None
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None


@dataclass(frozen=True, slots=True)
class WeightedDestination:
    """One of several destinations of a route; `port` 0 means the port of the request."""

    host: str
    port: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class HeaderOperations:
    """Changes of headers: `set` replaces them, `add` appends values."""

    set: dict[str, str] = field(default_factory=dict)
    add: dict[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The destinations of requests that meet all conditions. `rewrite_authority` is the Host header that they are sent
    with, empty for that of the request."""

    destinations: tuple[WeightedDestination, ...]
    match_headers: tuple[HeaderMatch, ...] = ()
    match_uri: StringMatch | None = None
    match_method: StringMatch | None = None
    match_authority: StringMatch | None = None
    rewrite_authority: str = ""
    request_headers: HeaderOperations | None = None
    response_headers: HeaderOperations | None = None

    @property
    def matches_all(self) -> bool:
        """Whether it has no condition."""
        return not (self.match_headers or self.match_uri or self.match_method or self.match_authority)


@dataclass(frozen=True, slots=True)
class TlsOrigination:
    """The sidecar originates TLS for requests to the HTTP port `port`; an empty `sni` means the host.

    Certificates and keys are named, never contained: `credential_name` is a Secret in the namespace of the workloads,
    the other three are paths in the sidecar. With `match_labels`, the settings for connections apply only to workloads
    with these labels in the entry's namespace.
    """

    port: int = 80
    sni: str = ""
    insecure_skip_verify: bool = False
    mode: OriginationMode = OriginationMode.SIMPLE
    credential_name: str = ""
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    subject_alt_names: tuple[str, ...] = ()
    match_labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of each sidecar; 0 means no limit. Of the timeouts, None means Istio's default, and 0 none (of
    `idle_timeout` only)."""

    max_connections: int = 0
    connect_timeout: float | None = None
    max_pending_requests: int = 0
    max_requests_per_connection: int = 0
    idle_timeout: float | None = None
    max_connection_duration: float | None = None
    tcp_keepalive: TcpKeepalive | None = None
    http_idle_timeout: float | None = None
    max_requests: int = 0
    max_retries: int = 0
    max_concurrent_streams: int = 0
    h2_upgrade_policy: H2UpgradePolicy = H2UpgradePolicy.DEFAULT


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """Ejects failing addresses for a while; 0 and None mean Istio's defaults. Times in seconds."""

    consecutive_5xx_errors: int = 0
    interval: float | None = None
    base_ejection_time: float | None = None
    max_ejection_percent: int = 0
    consecutive_gateway_errors: int = 0
    consecutive_local_origin_failures: int = 0
    min_health_percent: int = 0


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """How traffic to an external service is handled; Istio decides what is None or empty. `timeout` in seconds."""

    timeout: float | None = None
    retries: Retries | None = None
    routes: tuple[Route, ...] = ()
    tls_origination: TlsOrigination | None = None
    connection_limits: ConnectionLimits | None = None
    outlier_detection: OutlierDetection | None = None
    load_balancer: LoadBalancer | None = None

    @property
    def routes_requests(self) -> bool:
        """Whether these settings need a VirtualService."""
        return self.timeout is not None or self.retries is not None or bool(self.routes)


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Whether traffic to unregistered destinations may leave the mesh."""

    name: str
    mode: OutboundMode
    scope: Scope = Scope()
    cluster_selector: ClusterSelector = ClusterSelector()


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """An external service in the mesh's registry; fields as in Istio's ServiceEntry. `workload_selector` are the labels
    of the workloads that serve it; `labels` and `annotations` are those of the object, besides our own."""

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
    workload_selector: Labels = field(default_factory=dict)
    subject_alt_names: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace that it belongs to."""
        return namespace_of(self.name)

    @property
    def has_http(self) -> bool:
        """Whether the sidecar sees requests on one of its ports."""
        return any(port.protocol.is_http for port in self.ports)

    def visible_to(self, namespace: str) -> bool:
        """Whether workloads of `namespace` see it (exportTo; empty means all namespaces, Istio's default, and `~` none
        at all)."""
        own = self.namespace
        return not self.export_to or any(
            to == "*" or to == namespace or (to == "." and own == namespace) for to in self.export_to
        )


@dataclass(frozen=True, slots=True)
class Delay:
    """Delays requests by `seconds`; `percent` is greater than 0 and at most 100."""

    seconds: float
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Abort:
    """Answers requests with `http_status` or, if that is 0, with `grpc_status`."""

    http_status: int = 0
    grpc_status: str = ""
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Injects a delay or an abort into requests to `host` for `ttl` seconds after its last update, by the store's
    clock."""

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
    match_uri: StringMatch | None = None
    match_method: StringMatch | None = None
    match_authority: StringMatch | None = None

    @property
    def namespace(self) -> str:
        """The namespace that it belongs to."""
        return parse_name(self.name).namespace


@dataclass(frozen=True, slots=True)
class Interception:
    """Which outbound connections the sidecar captures. Empty `include_cidrs` means all of them, unless `none` or
    `include_service_cidrs` is set; exclude takes precedence over include."""

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
"""Resources with a cluster selector."""
Scoped = OutboundPolicy | Interception
"""Resources of which only the highest-ranked one per scope takes effect."""


def name_of(resource: Resource) -> Name:
    """The parsed name of a resource."""
    return parse_name(resource.name)
