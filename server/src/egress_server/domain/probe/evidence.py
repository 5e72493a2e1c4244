"""Connection attempts and the evidence of what happened to them, before any verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TIMED_OUT = "timed out"
"""The error of an attempt that exceeded its timeout contains this text."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of a probe. `scheme` is http, https, tls or tcp; `host` is in lowercase and without brackets;
    `path` is used for http and https only."""

    scheme: str
    host: str
    port: int
    path: str = "/"

    @property
    def only_connects(self) -> bool:
        """Whether the probe only connects and sends no request."""
        return self.scheme in {"tls", "tcp"}

    @property
    def speaks_tls(self) -> bool:
        """Whether the client starts with a TLS handshake."""
        return self.scheme in {"https", "tls"}

    @property
    def authority(self) -> str:
        """The value of the Host header: the host, and the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The destination as a URL."""
        return f"{self.scheme}://{self.authority}{'' if self.only_connects else self.path}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to make. `resolve` is the address to dial instead of resolving the host; `timeout` in seconds."""

    destination: Destination
    method: str = "HEAD"
    headers: Mapping[str, str] = field(default_factory=dict)
    resolve: str = ""
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Timings:
    """The phases of an attempt, in seconds; None for those that it did not reach."""

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    response: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class UpstreamDelta:
    """How the counters of one upstream host of the sidecar changed during an attempt.

    An empty address means a cluster without any host, because its names could not be resolved.
    """

    cluster: str
    address: str
    cx_total: int = 0
    cx_connect_fail: int = 0
    rq_total: int = 0

    @property
    def moved(self) -> bool:
        """Whether any of them changed."""
        return self.cx_total > 0 or self.cx_connect_fail > 0 or self.rq_total > 0


@dataclass(frozen=True, slots=True)
class LiveFault:
    """A fault on the sidecar's live route for an attempt. `virtual_service` is NAMESPACE/NAME, `delay` in seconds (0
    for none); an abort has an `http_status` or a `grpc_status`."""

    route: str
    virtual_service: str = ""
    delay: float = 0.0
    http_status: int = 0
    grpc_status: int | None = None


@dataclass(frozen=True, slots=True)
class TlsCluster:
    """An Envoy cluster to whose hosts the sidecar itself starts TLS. `destination_rule` is NAMESPACE/NAME of the
    DestinationRule that sets it, empty if the configuration does not say."""

    name: str
    destination_rule: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that an agent observed of one attempt.

    `address` is the destination of the connection, ADDRESS:PORT; `refused` is the agent's own reason for not
    connecting. Of the routes that the request may have taken, `routed_to` are the Envoy clusters, `routed_by` the
    VirtualServices (NAMESPACE/NAME), `route_answers` the HTTP statuses that they answer with directly, and
    `live_faults` the faults. `unknown_clusters` are those clusters that the sidecar does not have, `tls_clusters` those
    that were used and to which the sidecar starts TLS (only if the attempt failed).
    """

    captured: bool
    status: int = 0
    http_version: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    tls_error: str = ""
    error: str = ""
    timings: Timings = Timings()
    address: str = ""
    upstreams: tuple[UpstreamDelta, ...] = ()
    warming_clusters: tuple[str, ...] = ()
    refused: str = ""
    refused_message: str = ""
    live_faults: tuple[LiveFault, ...] = ()
    routed_to: tuple[str, ...] = ()
    unknown_clusters: tuple[str, ...] = ()
    routed_by: tuple[str, ...] = ()
    route_answers: tuple[int, ...] = ()
    tls_clusters: tuple[TlsCluster, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether the attempt was completed: with a response, a handshake or a connection, as requested."""
        return bool(self.address) and not (self.refused or self.error or self.tls_error)

    @property
    def failed(self) -> bool:
        """Whether it ended with an error of the client or of a server."""
        return self.status >= 500 or bool(self.error or self.tls_error)

    @property
    def timed_out(self) -> bool:
        """Whether it timed out before that."""
        return TIMED_OUT in self.error or TIMED_OUT in self.tls_error

    @property
    def answer(self) -> str:
        """What the client observed, in a few words."""
        if self.status:
            return f"{self.http_version} {self.status}, server: {self.header('server') or 'not set'}"
        return self.tls_error or self.error or "no response and no error"

    def header(self, name: str) -> str:
        """The first response header of this lowercase name; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")
