"""From evidence to verdict: what the mesh did with a connection, and what it should have done.

A verdict never rests on a status code or a `server` header alone: TLS that went through the sidecar shows the origin's
own header, and an origin may answer 502 by itself. It rests on whether the connection was captured and on which of
the sidecar's upstream counters moved.
"""

from collections.abc import Sequence

from egress_server.domain.model.names import matches_host
from egress_server.domain.probe.evidence import (
    TIMED_OUT,
    Attempt,
    Destination,
    Evidence,
    LiveFault,
    Timings,
    UpstreamDelta,
)
from egress_server.domain.probe.fault_attribution import delayed, held_back
from egress_server.domain.probe.verdicts import Cause, Expectation, Outcome, Verdict

__all__ = [
    "PASSTHROUGH_CLUSTER",
    "TIMED_OUT",
    "Attempt",
    "Cause",
    "Destination",
    "Evidence",
    "Expectation",
    "LiveFault",
    "Outcome",
    "Timings",
    "UpstreamDelta",
    "Verdict",
    "is_disturbed",
    "judge",
    "matches_host",
    "serves",
    "shares_port",
]

PASSTHROUGH_CLUSTER = "PassthroughCluster"


def judge(destination: Destination, evidence: Evidence) -> Verdict:
    """What happened to the connection. Total: any evidence gets a verdict.

    captured | upstream of the destination              | also                          | outcome
    ---------|------------------------------------------|-------------------------------|-------------
    no       | none                                     |                               | BYPASSED
    yes      | `outbound|port||host`: one stream        |                               | REGISTERED
    yes      | the same                                 | live delay, and held so long  | FAULTED
    yes      | none                                     | live abort, and its status    | FAULTED
    yes      | none                                     | live delay, and held so long  | FAULTED
    yes      | PassthroughCluster at our address: one   |                               | PASSTHROUGH
    yes      | connections, all failed or never done    |                               | UNREACHABLE
    yes      | registered, and without an address       | 503 or closed                 | UNREACHABLE
    yes      | none                                     | HTTP 502, or closed at once   | BLOCKED
    yes      | none that its route leads to exists      | HTTP 503                      | BLOCKED
    else     |                                          |                               | INCONCLUSIVE
    """
    if evidence.refused:
        return _inconclusive(evidence.refused, "the agent made no connection", evidence.refused_message)
    if not evidence.address:
        return _inconclusive("NAME_NOT_RESOLVED", "the name could not be resolved", evidence.error)
    ours = [u for u in evidence.upstreams if u.moved and _may_carry(u, destination, evidence)]
    if not evidence.captured:
        return _bypassed(ours, destination, evidence)
    if ours:
        return delayed(_went_out(ours, evidence), evidence)
    if warming := [c for c in evidence.warming_clusters if serves(c, destination)]:
        return _inconclusive("CLUSTER_WARMING", "the sidecar still looks up this host's addresses", warming[0])
    return held_back(destination.host, evidence) or _stayed(destination, evidence)


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


def _service(cluster: str) -> tuple[str, str]:
    """Port and host in Istio's name of an outbound cluster, direction|port|subset|host; empty for any other."""
    match cluster.split("|"):
        case ["outbound", port, _, host]:
            return port, host
    return "", ""


def _may_carry(upstream: UpstreamDelta, destination: Destination, evidence: Evidence) -> bool:
    """Whether this upstream may have carried a connection to `destination`. All traffic that nobody registered shares
    one PassthroughCluster, so there the address must be ours; a route may lead to another service than the host's."""
    if upstream.cluster == PASSTHROUGH_CLUSTER:
        return upstream.address == evidence.address
    return serves(upstream.cluster, destination) or upstream.cluster in evidence.routed_to


def _bypassed(ours: Sequence[UpstreamDelta], destination: Destination, evidence: Evidence) -> Verdict:
    if ours:
        text = "the connection did not go through the sidecar, and other traffic moved the counters of its destination"
        return _inconclusive("COUNTERS_DISTURBED", text, _counters(ours))
    seen = f"{evidence.address}: {evidence.answer}; no upstream counter of {destination.host} moved"
    text = "interception leaves the destination out: the connection never went through the sidecar"
    return _verdict(Outcome.BYPASSED, "", "NOT_CAPTURED", text, seen)


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
    if alone and evidence.timed_out:
        text = "the sidecar let it go and was still connecting to the destination when the time was over"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_CONNECT_PENDING", text, seen)
    return _inconclusive("COUNTERS_DISTURBED", "other traffic moved the same counters", seen)


def _stayed(destination: Destination, evidence: Evidence) -> Verdict:
    """Verdict where no upstream of the destination moved."""
    seen = f"{evidence.answer}; no upstream counter of {destination.host} moved"
    if evidence.timed_out:
        return _inconclusive("TIMED_OUT", "nothing answered in time", seen)
    if destination.scheme == "http" and evidence.status == 502:
        text = "the sidecar answered by itself and opened no connection upstream"
        return _verdict(Outcome.BLOCKED, "", "BLOCKED_HTTP", text, seen)
    if evidence.status == 503 and evidence.routed_to and set(evidence.routed_to) <= set(evidence.unknown_clusters):
        text = f"the route leads to {evidence.routed_to[0]}, which the sidecar does not have; it answered by itself"
        return _verdict(Outcome.BLOCKED, "", "ROUTE_LEADS_NOWHERE", text, seen)
    others = [u for u in evidence.upstreams if u.moved and shares_port(u.cluster, destination)]
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
    if destination.speaks_tls:
        return evidence.timings.tls is not None
    if destination.only_connects:
        return evidence.answered
    return evidence.status not in {0, 503}


def _answered_by_another(others: Sequence[UpstreamDelta], evidence: Evidence, seen: str) -> Verdict:
    if sum(u.rq_total for u in others) == 1 and evidence.header("server") != "envoy":
        text = "another registered service takes every connection to this port"
        return _verdict(Outcome.REGISTERED, others[0].cluster, "TAKEN_BY_PORT", text, _counters(others))
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "it was answered, and no upstream counter moved", seen)


def _counters(upstreams: Sequence[UpstreamDelta]) -> str:
    return "; ".join(
        f"{u.cluster} at {u.address}: cx_total +{u.cx_total}, cx_connect_fail +{u.cx_connect_fail}, "
        f"rq_total +{u.rq_total}"
        for u in upstreams
    )


def _inconclusive(code: str, text: str, evidence: str) -> Verdict:
    return _verdict(Outcome.INCONCLUSIVE, "", code, text, evidence)


def _verdict(outcome: Outcome, upstream: str, code: str, text: str, evidence: str) -> Verdict:
    return Verdict(outcome, upstream, (Cause(code, text, evidence),))
