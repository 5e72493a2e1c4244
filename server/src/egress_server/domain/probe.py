"""From evidence to verdict: what the mesh did with a connection, and what it should have done.

A verdict never rests on a status code or a `server` header alone: TLS that went through the sidecar shows the origin's
own header, and an origin may answer 502 by itself. It rests on whether the connection was captured and on which of
the sidecar's upstream counters moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

PASSTHROUGH_CLUSTER = "PassthroughCluster"
BLACKHOLE_CLUSTER = "BlackHoleCluster"


class Outcome(Enum):
    """What happened to a connection; the meanings are in the contract."""

    REGISTERED = "REGISTERED"
    PASSTHROUGH = "PASSTHROUGH"
    BLOCKED = "BLOCKED"
    UNREACHABLE = "UNREACHABLE"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a probe goes. `scheme` is http or https, `host` lower-case without brackets."""

    scheme: str
    host: str
    port: int
    path: str = "/"

    @property
    def url(self) -> str:
        """The URL again, with the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{host}{'' if self.port == usual else f':{self.port}'}{self.path}"


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
    """How the counters of one upstream host of the sidecar moved during an attempt."""

    cluster: str
    address: str
    cx_total: int = 0
    cx_connect_fail: int = 0
    rq_total: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an agent saw of one attempt. `refused` is the agent's own reason for not connecting."""

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


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an outcome is what it is, with what was seen."""

    code: str
    text: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of one attempt; `upstream` is the Envoy cluster that decided it, if any."""

    outcome: Outcome
    upstream: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the policy says. `resource` is empty where a default decides; `port_is_http` as the sidecar sees it."""

    outcome: Outcome
    resource: str = ""
    revision: int = 0


def judge(destination: Destination, evidence: Evidence) -> Verdict:
    """What happened, by the table of evidence: captured? which upstream moved? did it connect?"""
    if not evidence.captured:
        return _inconclusive("NOT_CAPTURED", "the connection did not go through the sidecar", evidence.address)
    if not evidence.address:
        return _inconclusive("NAME_NOT_RESOLVED", "the name could not be resolved", evidence.error)
    moved = [u for u in evidence.upstreams if u.cluster != BLACKHOLE_CLUSTER and _moved(u)]
    ours = [u for u in moved if _concerns(u.cluster, destination)]
    warming = [c for c in evidence.warming_clusters if _concerns(c, destination)]
    if warming and not ours:
        return _inconclusive("CLUSTER_WARMING", "the sidecar still resolves this host's addresses", warming[0])
    if len({u.cluster for u in ours}) > 1:
        seen = ", ".join(sorted({u.cluster for u in ours}))
        return _inconclusive("COUNTERS_DISTURBED", "other traffic moved the same counters", seen)
    if ours:
        return _went_out(ours, evidence)
    return _blocked(evidence)


def is_disturbed(verdict: Verdict) -> bool:
    """Whether asking again may give a verdict."""
    return verdict.outcome is Outcome.INCONCLUSIVE and verdict.causes[0].code == "COUNTERS_DISTURBED"


def _moved(upstream: UpstreamDelta) -> bool:
    return upstream.cx_total > 0 or upstream.cx_connect_fail > 0 or upstream.rq_total > 0


def _concerns(cluster: str, destination: Destination) -> bool:
    """Whether an Envoy cluster may have carried a connection to `destination`."""
    if cluster == PASSTHROUGH_CLUSTER:
        return True
    match cluster.split("|"):
        case ["outbound", port, _, host]:
            return port == str(destination.port) and matches_host(host, destination.host)
    return False


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is `pattern`, or below it where it begins with `*.`."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern == host


def _went_out(ours: Sequence[UpstreamDelta], evidence: Evidence) -> Verdict:
    cluster = ours[0].cluster
    failed = sum(u.cx_connect_fail for u in ours)
    counters = "; ".join(
        f"{u.cluster} at {u.address}: cx_total +{u.cx_total}, cx_connect_fail +{u.cx_connect_fail}, "
        f"rq_total +{u.rq_total}"
        for u in ours
    )
    if failed:
        text = "the sidecar let it go and could not connect to the destination"
        return Verdict(Outcome.UNREACHABLE, cluster, (Cause("UPSTREAM_CONNECT_FAILED", text, counters),))
    if cluster == PASSTHROUGH_CLUSTER:
        text = "no registered service has this destination; the sidecar passed it on unchanged"
        return Verdict(Outcome.PASSTHROUGH, cluster, (Cause("UNREGISTERED_PASSED", text, counters),))
    text = "the sidecar sent it to a registered service"
    return Verdict(Outcome.REGISTERED, cluster, (Cause("REGISTERED_UPSTREAM", text, counters),))


def _blocked(evidence: Evidence) -> Verdict:
    text = "the sidecar answered by itself and opened no connection upstream"
    if evidence.status == 502:
        server = dict(evidence.headers).get("server", "")
        seen = f"{evidence.http_version} 502, server: {server}; no upstream counter moved"
        return Verdict(Outcome.BLOCKED, "", (Cause("BLOCKED_HTTP", text, seen),))
    if evidence.status == 0 and (evidence.tls_error or evidence.error):
        if _timed_out(evidence):
            return _inconclusive("TIMED_OUT", "nothing answered in time", evidence.tls_error or evidence.error)
        text = "the sidecar closed the connection and opened none upstream"
        seen = f"{evidence.tls_error or evidence.error}; no upstream counter moved"
        return Verdict(Outcome.BLOCKED, "", (Cause("BLOCKED_CLOSED", text, seen),))
    seen = f"status {evidence.status}; {evidence.error or 'no error'}; no upstream counter moved"
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "no upstream counter moved, yet it was not refused", seen)


def _timed_out(evidence: Evidence) -> bool:
    return "timed out" in evidence.error or "timed out" in evidence.tls_error


def _inconclusive(code: str, text: str, evidence: str) -> Verdict:
    return Verdict(Outcome.INCONCLUSIVE, "", (Cause(code, text, evidence),))
