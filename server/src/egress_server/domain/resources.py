"""Desired state: what callers set, the store keeps and clusters are driven to.

The dataclasses are also the stored form (as JSON), so a field once released is never renamed or given another
meaning; new fields need a default.
"""

from dataclasses import dataclass, field
from enum import Enum

from egress_server.domain.names import Name, parse_name

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


class TargetKind(Enum):
    """How a cluster is driven."""

    LOCAL = "local"


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
class Mesh:
    """One policy domain."""

    name: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A place where policy is applied."""

    name: str
    target: TargetKind
    labels: Labels = field(default_factory=dict)

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

    @property
    def namespace(self) -> str:
        """The namespace it lives in."""
        return parse_name(self.name).namespace

    def visible_to(self, namespace: str) -> bool:
        """Whether workloads of `namespace` see it (exportTo; empty means all, as by Istio's default)."""
        own = self.namespace
        return not self.export_to or any(
            to == "*" or to == namespace or (to == "." and own == namespace) for to in self.export_to
        )


Resource = Mesh | Cluster | OutboundPolicy | ServiceEntry


def name_of(resource: Resource) -> Name:
    """The resource's name taken apart."""
    return parse_name(resource.name)
