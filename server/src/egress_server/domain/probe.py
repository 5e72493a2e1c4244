"""From evidence to verdict: what the mesh did with a connection, and what it should have done.

A verdict never rests on a status code or a `server` header alone: TLS that went through the sidecar shows the origin's
own header, and an origin may answer 502 by itself. It rests on whether the connection was captured and on which of
the sidecar's upstream counters moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

PASSTHROUGH_CLUSTER = "PassthroughCluster"
TIMED_OUT = "timed out"
"""What the errors of an attempt say when its time was over."""


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
    def authority(self) -> str:
        """Host, and the port where it is not the scheme's own; what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL again."""
        return f"{self.scheme}://{self.authority}{self.path}"


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


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an agent saw of one attempt.

    `address` is where the connection was to go, ADDRESS:PORT; `refused` the agent's own reason for not connecting.
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
    """What the policy says. `resource` is empty where a default decides."""

    outcome: Outcome
    resource: str = ""
    revision: int = 0


def judge(destination: Destination, evidence: Evidence) -> Verdict:
    """What happened to the connection. Total: any evidence gets a verdict.

    captured | upstream of the destination              | also                          | outcome
    ---------|------------------------------------------|-------------------------------|-------------
    yes      | `outbound|port||host`: one stream        |                               | REGISTERED
    yes      | PassthroughCluster at our address: one   |                               | PASSTHROUGH
    yes      | connections, all failed or never done    |                               | UNREACHABLE
    yes      | registered, and without an address       | 503 or closed                 | UNREACHABLE
    yes      | none                                     | HTTP 502, or closed at once   | BLOCKED
    else     |                                          |                               | INCONCLUSIVE
    """
    if evidence.refused:
        return _inconclusive(evidence.refused, "the agent made no connection", evidence.refused_message)
    if not evidence.address:
        return _inconclusive("NAME_NOT_RESOLVED", "the name could not be resolved", evidence.error)
    if not evidence.captured:
        return _inconclusive("NOT_CAPTURED", "the connection did not go through the sidecar", evidence.address)
    ours = [u for u in evidence.upstreams if _moved(u) and _may_carry(u, destination, evidence.address)]
    if ours:
        return _went_out(ours, evidence)
    if warming := [c for c in evidence.warming_clusters if serves(c, destination)]:
        return _inconclusive("CLUSTER_WARMING", "the sidecar still looks up this host's addresses", warming[0])
    return _stayed(destination, evidence)


def is_disturbed(verdict: Verdict) -> bool:
    """Whether asking again may give a verdict."""
    return verdict.outcome is Outcome.INCONCLUSIVE and verdict.causes[0].code == "COUNTERS_DISTURBED"


def serves(cluster: str, destination: Destination) -> bool:
    """Whether an Envoy cluster belongs to a registered service that has `destination`."""
    port, host = _service(cluster)
    return port == str(destination.port) and matches_host(host, destination.host.rstrip("."))


def shares_port(cluster: str, destination: Destination) -> bool:
    """Whether an Envoy cluster belongs to a registered service with the same port: one of TCP without addresses takes
    every connection to its port, whatever the host."""
    return _service(cluster)[0] == str(destination.port)


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is `pattern`, or below it where it begins with `*.`; `*` is every host."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in {"*", host}


def _service(cluster: str) -> tuple[str, str]:
    """Port and host in Istio's name of an outbound cluster, direction|port|subset|host; empty for any other."""
    match cluster.split("|"):
        case ["outbound", port, _, host]:
            return port, host
    return "", ""


def _moved(upstream: UpstreamDelta) -> bool:
    return upstream.cx_total > 0 or upstream.cx_connect_fail > 0 or upstream.rq_total > 0


def _may_carry(upstream: UpstreamDelta, destination: Destination, dialled: str) -> bool:
    """Whether this upstream may have carried a connection to `destination`. All traffic that nobody registered shares
    one PassthroughCluster, so there the address must be ours."""
    if upstream.cluster == PASSTHROUGH_CLUSTER:
        return upstream.address == dialled
    return serves(upstream.cluster, destination)


def _went_out(ours: Sequence[UpstreamDelta], evidence: Evidence) -> Verdict:
    """Verdict on upstreams that moved. A stream counts in `rq_total` once it has a connection, of TCP as of HTTP; the
    sidecar may have tried more than once to get one."""
    cluster, seen = ours[0].cluster, _counters(ours)
    streams = sum(u.rq_total for u in ours)
    failed = sum(u.cx_connect_fail for u in ours)
    connected = sum(u.cx_total for u in ours) - failed
    alone = len({u.cluster for u in ours}) == 1 and streams <= 1 and connected <= 1
    if alone and streams == 1 and cluster == PASSTHROUGH_CLUSTER:
        text = "no registered service has this destination; the sidecar passed it on unchanged"
        return _verdict(Outcome.PASSTHROUGH, cluster, "UNREGISTERED_PASSED", text, seen)
    if alone and streams == 1:
        text = "the sidecar sent it to a registered service"
        return _verdict(Outcome.REGISTERED, cluster, "REGISTERED_UPSTREAM", text, seen)
    if alone and failed:
        text = "the sidecar let it go and could not connect to the destination"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_CONNECT_FAILED", text, seen)
    if alone and _timed_out(evidence):
        text = "the sidecar let it go and was still connecting to the destination when the time was over"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_CONNECT_PENDING", text, seen)
    return _inconclusive("COUNTERS_DISTURBED", "other traffic moved the same counters", seen)


def _stayed(destination: Destination, evidence: Evidence) -> Verdict:
    """Verdict where no upstream of the destination moved."""
    seen = f"{_answer(evidence)}; no upstream counter of {destination.host} moved"
    if _timed_out(evidence):
        return _inconclusive("TIMED_OUT", "nothing answered in time", seen)
    if destination.scheme == "http" and evidence.status == 502:
        text = "the sidecar answered by itself and opened no connection upstream"
        return _verdict(Outcome.BLOCKED, "", "BLOCKED_HTTP", text, seen)
    others = [u for u in evidence.upstreams if _moved(u) and shares_port(u.cluster, destination)]
    if _let_through(destination, evidence):
        return _answered_by_another(others, evidence, seen)
    if empty := [u.cluster for u in evidence.upstreams if not u.address and serves(u.cluster, destination)]:
        text = "the sidecar lets it go and knows no address of the destination"
        return _verdict(Outcome.UNREACHABLE, empty[0], "NO_UPSTREAM_ADDRESS", text, seen)
    if others:
        text = "other traffic to the same port moved its counters"
        return _inconclusive("COUNTERS_DISTURBED", text, _counters(others))
    if not evidence.status and (evidence.tls_error or evidence.error):
        text = "the sidecar closed the connection and opened none upstream"
        return _verdict(Outcome.BLOCKED, "", "BLOCKED_CLOSED", text, seen)
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "no upstream counter moved, and it was not refused", seen)


def _let_through(destination: Destination, evidence: Evidence) -> bool:
    """Whether somebody beyond the sidecar answered. It ends no TLS; its own word for no upstream is 503."""
    if destination.scheme == "https":
        return evidence.timings.tls is not None
    return evidence.status not in {0, 503}


def _answered_by_another(others: Sequence[UpstreamDelta], evidence: Evidence, seen: str) -> Verdict:
    if sum(u.rq_total for u in others) == 1 and _header(evidence, "server") != "envoy":
        text = "another registered service takes every connection to this port"
        return _verdict(Outcome.REGISTERED, others[0].cluster, "TAKEN_BY_PORT", text, _counters(others))
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "it was answered, and no upstream counter moved", seen)


def _answer(evidence: Evidence) -> str:
    """What the client saw, in a few words."""
    if evidence.status:
        return f"{evidence.http_version} {evidence.status}, server: {_header(evidence, 'server') or 'not given'}"
    return evidence.tls_error or evidence.error or "no answer and no error"


def _header(evidence: Evidence, name: str) -> str:
    return next((value for key, value in evidence.headers if key.lower() == name), "")


def _counters(upstreams: Sequence[UpstreamDelta]) -> str:
    return "; ".join(
        f"{u.cluster} at {u.address}: cx_total +{u.cx_total}, cx_connect_fail +{u.cx_connect_fail}, "
        f"rq_total +{u.rq_total}"
        for u in upstreams
    )


def _timed_out(evidence: Evidence) -> bool:
    return TIMED_OUT in evidence.error or TIMED_OUT in evidence.tls_error


def _inconclusive(code: str, text: str, evidence: str) -> Verdict:
    return _verdict(Outcome.INCONCLUSIVE, "", code, text, evidence)


def _verdict(outcome: Outcome, upstream: str, code: str, text: str, evidence: str) -> Verdict:
    return Verdict(outcome, upstream, (Cause(code, text, evidence),))
