"""Attempts at a destination and all that is seen of them, before anyone judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TIMED_OUT = "timed out"
"""What the errors of an attempt say when its time was over."""

_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a probe goes. `scheme` is http, https, tls or tcp; `host` lower-case without brackets; `path` counts for
    http and https only."""

    scheme: str
    host: str
    port: int
    path: str = "/"

    @property
    def only_connects(self) -> bool:
        """Whether the connection itself is the question, and no request is sent."""
        return self.scheme in {"tls", "tcp"}

    @property
    def speaks_tls(self) -> bool:
        """Whether the client begins with a TLS handshake."""
        return self.scheme in {"https", "tls"}

    @property
    def authority(self) -> str:
        """Host, and the port where it is not the scheme's own; what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL again."""
        return f"{self.scheme}://{self.authority}{'' if self.only_connects else self.path}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to make. `resolve` is the address to dial instead of asking DNS; `timeout` in seconds."""

    destination: Destination
    method: str = "HEAD"
    headers: Mapping[str, str] = field(default_factory=dict)
    resolve: str = ""
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Timings:
    """Parts of an attempt, in seconds; None where it did not come so far."""

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    response: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class UpstreamDelta:
    """How the counters of one upstream host of the sidecar moved during an attempt.

    An empty address stands for a cluster that has no host at all: its names could not be resolved.
    """

    cluster: str
    address: str
    cx_total: int = 0
    cx_connect_fail: int = 0
    rq_total: int = 0

    @property
    def moved(self) -> bool:
        """Whether any of them did."""
        return self.cx_total > 0 or self.cx_connect_fail > 0 or self.rq_total > 0


@dataclass(frozen=True, slots=True)
class LiveFault:
    """A fault on the sidecar's live route of an attempt. `virtual_service` is NAMESPACE/NAME, `delay` in seconds (0 for
    none); an abort has an `http_status` or a `grpc_status`."""

    route: str
    virtual_service: str = ""
    delay: float = 0.0
    http_status: int = 0
    grpc_status: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an agent saw of one attempt.

    `address` is where the connection was to go, ADDRESS:PORT; `refused` the agent's own reason for not connecting.
    `routed_to` are the Envoy clusters, and `live_faults` the faults, of the routes that the request may have taken;
    `unknown_clusters` those of them that the sidecar does not have.
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

    @property
    def answered(self) -> bool:
        """Whether the attempt came to its end: a response, a handshake or a connection, as was asked."""
        return bool(self.address) and not (self.refused or self.error or self.tls_error)

    @property
    def timed_out(self) -> bool:
        """Whether its time was over before that."""
        return TIMED_OUT in self.error or TIMED_OUT in self.tls_error

    @property
    def answer(self) -> str:
        """What the client saw, in a few words."""
        if self.status:
            return f"{self.http_version} {self.status}, server: {self.header('server') or 'not given'}"
        return self.tls_error or self.error or "no answer and no error"

    def header(self, name: str) -> str:
        """The first response header of this lower-case name; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")
