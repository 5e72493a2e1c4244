"""A question about a connection, and what the configuration says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome


@dataclass(frozen=True, slots=True)
class Question:
    """A connection to `destination` that dials `address`, an IP address, and the request on it.

    `headers` are by lower-case name, without pseudo headers. A client of a tcp destination sends nothing before the
    server does unless it `speaks_first`; one of a tls or https destination offers `alpn`.
    """

    destination: Destination
    address: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    alpn: tuple[str, ...] = ("http/1.1",)
    speaks_first: bool = False

    @property
    def request_headers(self) -> Mapping[str, str]:
        """All headers, as Envoy matches them."""
        pseudo = {":method": self.method, ":authority": self.authority, ":path": self.destination.path or "/"}
        return {**self.headers, **pseudo, ":scheme": "http"}

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return self.headers.get("host") or self.destination.authority


@dataclass(frozen=True, slots=True)
class LiveUpstream:
    """An Envoy cluster that gets `share` (0 to 1) of the connections, and what happens to those.

    `cause` is as that of LiveDecision. `host`, `port` and `subset` are those of the registered service, empty and 0 for
    other clusters. `endpoints` are ADDRESS:PORT that may be used; None if the cluster connects to the dialed address
    and port, or resolves the request's own host. `sni` is the server name of TLS that the sidecar originates, `http2`
    whether it speaks HTTP/2. `destination_rule` is the one that applies to the cluster, NAMESPACE/NAME, empty if none
    does. `resolves_host` is whether the sidecar itself looks up the host that the request or the TLS handshake names.
    """

    cluster: str
    share: float
    outcome: Outcome
    cause: str
    host: str = ""
    port: int = 0
    subset: str = ""
    endpoints: tuple[str, ...] | None = None
    originates_tls: bool = False
    sni: str = ""
    http2: bool = False
    destination_rule: str = ""
    resolves_host: bool = False


@dataclass(frozen=True, slots=True)
class RouteFault:
    """A fault of the route. `delay` in seconds, 0 for none; shares are 0 to 1. An abort has an `http_status` or a
    `grpc_status`."""

    delay: float = 0.0
    delay_share: float = 0.0
    http_status: int = 0
    grpc_status: int | None = None
    abort_share: float = 0.0

    @property
    def share(self) -> float:
        """How many requests are delayed, aborted, or both."""
        return 1 - (1 - self.delay_share) * (1 - self.abort_share)


@dataclass(frozen=True, slots=True)
class MatchedRoute:
    """A route of an HTTP request. `owner` is the VirtualService that it comes from, NAMESPACE/NAME, empty if the
    configuration does not say. `status` is what the sidecar answers itself, 0 if it forwards; 404 with `missing` if no
    route matches, and then the owner is that of the host's other routes."""

    table: str
    virtual_host: str = ""
    name: str = ""
    owner: str = ""
    status: int = 0
    location: str = ""
    fault: RouteFault | None = None
    timeout: float | None = None
    retries: int = 0
    rewritten_host: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class LiveDecision:
    """What the sidecar does with a connection.

    `outcome` is that of the largest share, and `shares` has all of them; `cause` is an UPPER_SNAKE_CASE reason:
    SENT, UNREGISTERED_PASSED, BLACK_HOLE, DIRECT_RESPONSE, REDIRECTED, NO_ROUTE, UNKNOWN_CLUSTER, CLUSTER_WARMING,
    NO_UPSTREAM_ADDRESS, FAULT, NO_FILTER_CHAIN, NOT_HTTP, WAITS_FOR_CLIENT, UNDECIDED.

    `owner` is the VirtualService (NAMESPACE/NAME) whose route applies. `routes` are the routes that the request may
    take: more than one only if a match is undecided, none for a connection that is not read as HTTP. `undecided` names
    what decides and is not known here; the outcome is then INCONCLUSIVE, and upstreams and routes are possible ones.
    """

    outcome: Outcome
    cause: str
    shares: Mapping[Outcome, float] = field(default_factory=dict)
    listener: str = ""
    filter_chain: str = ""
    sees_requests: bool = False
    owner: str = ""
    routes: tuple[MatchedRoute, ...] = ()
    upstreams: tuple[LiveUpstream, ...] = ()
    undecided: tuple[str, ...] = ()

    @property
    def also(self) -> tuple[Outcome, ...]:
        """The outcomes of the other connections."""
        return tuple(outcome for outcome in self.shares if outcome is not self.outcome)


@dataclass(frozen=True, slots=True)
class LiveReport:
    """A decision by the sidecar's own configuration, and how far that can be trusted.

    `address` is what the connection dials. `problem` says why there is no decision; its outcome is then INCONCLUSIVE.
    `versions` are those of Envoy's discovery services (`cds`, `lds`), `updated` is when the newest resource that
    decides was updated (RFC 3339, empty if unknown). `rejected` are updates that Envoy refused, `warming` clusters that
    are not active yet.
    """

    decision: LiveDecision
    address: str = ""
    problem: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    updated: str = ""
    proxy_version: str = ""
    rejected: tuple[str, ...] = ()
    warming: tuple[str, ...] = ()


def no_report(cause: str, problem: str) -> LiveReport:
    """The report if nothing could be evaluated; `cause` is an UPPER_SNAKE_CASE reason."""
    return LiveReport(LiveDecision(Outcome.INCONCLUSIVE, cause), problem=problem)
