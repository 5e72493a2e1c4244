"""From evidence to verdict: what the mesh did with a connection.

A verdict never rests on a status code or a `server` header alone: TLS that passed through the sidecar shows the
origin's own header, and an origin may answer 502 itself. It rests on whether the connection was captured and on which
of the sidecar's upstream counters changed.
"""

from collections.abc import Sequence
from dataclasses import replace

from egress_server.domain.probe.clusters import (
    DYNAMIC_DNS_CLUSTER,
    PASSTHROUGH_CLUSTER,
    UNREGISTERED_CLUSTERS,
    serves,
    shares_port,
)
from egress_server.domain.probe.evidence import Destination, Evidence, UpstreamDelta
from egress_server.domain.probe.fault_attribution import attribute_delay, attribute_to_fault
from egress_server.domain.probe.reply import answered_by_sidecar, describe_tls, reply_of, tls_origin
from egress_server.domain.probe.verdicts import Cause, Outcome, Verdict


def judge(destination: Destination, evidence: Evidence) -> Verdict:
    """What happened to the connection. Total: any evidence gets a verdict.

    captured | upstream of the destination              | also                          | outcome
    ---------|------------------------------------------|-------------------------------|-------------
    no       | none                                     |                               | BYPASSED
    yes      | `outbound|port||host`: one stream        |                               | REGISTERED
    yes      | the same                                 | live delay, and delayed by it | FAULTED
    yes      | none                                     | live abort, and its status    | FAULTED
    yes      | none                                     | live delay, and delayed by it | FAULTED
    yes      | PassthroughCluster at our address: one   |                               | PASSTHROUGH
    yes      | connections, all failed or pending       |                               | UNREACHABLE
    yes      | registered, but without an address       | 503 or closed                 | UNREACHABLE
    yes      | none, though the route has a cluster     | the sidecar's own 503         | UNREACHABLE
    yes      | none                                     | HTTP 502, or closed           | BLOCKED
    yes      | a cluster of its route does not exist    | HTTP 503                      | BLOCKED
    yes      | none                                     | what its route answers        | BLOCKED
    else     |                                          |                               | INCONCLUSIVE
    """
    return replace(_judge(destination, evidence), routed_by=evidence.routed_by)


def _judge(destination: Destination, evidence: Evidence) -> Verdict:
    if evidence.refused:
        return _inconclusive(evidence.refused, "the agent did not connect", evidence.refused_message)
    if not evidence.address:
        return _inconclusive("NAME_NOT_RESOLVED", "the name could not be resolved", evidence.error)
    moved = [u for u in evidence.upstreams if u.moved and _may_carry(u, destination, evidence)]
    if not evidence.captured:
        return _bypassed(moved, destination, evidence)
    if moved:
        return attribute_delay(_sent(moved, destination, evidence), evidence)
    if evidence.status in evidence.route_answers:
        return attribute_to_fault(destination.host, evidence) or _answered_by_route(destination, evidence)
    warming = [c for c in evidence.warming_clusters if shares_port(c, destination) or c in evidence.routed_to]
    if warming:
        return _warming(evidence, warming[0])
    return attribute_to_fault(destination.host, evidence) or _not_sent(destination, evidence)


def _warming(evidence: Evidence, cluster: str) -> Verdict:
    """The verdict if the sidecar can't use the cluster yet: its initial fetch of something is not complete."""
    text = "the sidecar still waits for addresses of the destination"
    if tls := tls_origin(evidence, cluster):
        text = f"the sidecar still waits for the certificates of the TLS that {describe_tls(tls)} starts"
    return _inconclusive("CLUSTER_WARMING", text, cluster)


def is_disturbed(verdict: Verdict) -> bool:
    """Whether another attempt may give a verdict."""
    return verdict.outcome is Outcome.INCONCLUSIVE and verdict.causes[0].code == "COUNTERS_DISTURBED"


def _may_carry(upstream: UpstreamDelta, destination: Destination, evidence: Evidence) -> bool:
    """Whether this upstream may have carried a connection to `destination`. All unregistered traffic shares the
    PassthroughCluster, so there the address must match; and a route may lead to another service than the host's."""
    if upstream.cluster == PASSTHROUGH_CLUSTER:
        return upstream.address == evidence.address
    if upstream.cluster == DYNAMIC_DNS_CLUSTER:
        return upstream.address.rpartition(":")[2] == str(destination.port)
    return serves(upstream.cluster, destination) or upstream.cluster in evidence.routed_to


_REGISTERED = "the sidecar sent it to a registered service"


def _bypassed(moved: Sequence[UpstreamDelta], destination: Destination, evidence: Evidence) -> Verdict:
    if moved:
        text = "the connection bypassed the sidecar, but other traffic changed the counters of its destination"
        return _inconclusive("COUNTERS_DISTURBED", text, _counters(moved))
    observed = f"{evidence.address}: {evidence.answer}; no upstream counter of {destination.host} changed"
    text = "interception excludes the destination: the connection bypassed the sidecar"
    return _verdict(Outcome.BYPASSED, "", "NOT_CAPTURED", text, observed)


def _sent(moved: Sequence[UpstreamDelta], destination: Destination, evidence: Evidence) -> Verdict:
    """The verdict if upstream counters changed. A stream counts in `rq_total` once it has a connection, for TCP as for
    HTTP; the sidecar may have tried to connect more than once."""
    cluster, observed = moved[0].cluster, _counters(moved)
    streams = sum(u.rq_total for u in moved)
    failed = sum(u.cx_connect_fail for u in moved)
    connected = sum(u.cx_total for u in moved) - failed
    alone = len({u.cluster for u in moved}) == 1 and streams <= 1 and connected <= 1
    if alone and streams == 1:
        verdict = _verdict(Outcome.REGISTERED, cluster, "REGISTERED_UPSTREAM", _REGISTERED, observed)
        if cluster in UNREGISTERED_CLUSTERS:
            text = "no registered service matches the destination; the sidecar passed the connection through unchanged"
            verdict = _verdict(Outcome.PASSTHROUGH, cluster, "UNREGISTERED_PASSED", text, observed)
        reply, causes = reply_of(destination, evidence, next(u for u in moved if u.rq_total))
        return replace(verdict, causes=(*causes, *verdict.causes), reply=reply)
    tls = tls_origin(evidence, cluster)
    if alone and failed:
        handshake = f", or the TLS handshake that {describe_tls(tls)} starts failed" if tls else ""
        text = f"the sidecar allowed it but could not connect to the destination{handshake}"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_CONNECT_FAILED", text, observed)
    if alone and evidence.timed_out:
        handshake = f", or in the TLS handshake that {describe_tls(tls)} starts," if tls else ""
        text = f"the sidecar allowed it but was still connecting to the destination{handshake} when the probe timed out"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_CONNECT_PENDING", text, observed)
    return _inconclusive("COUNTERS_DISTURBED", "other traffic changed the same counters", observed)


def _answered_by_route(destination: Destination, evidence: Evidence) -> Verdict:
    owner = f"VirtualService {evidence.routed_by[0]}" if evidence.routed_by else "the host"
    text = f"a route of {owner} answers such requests itself with HTTP {evidence.status}, so nothing left the sidecar"
    observed = f"{evidence.answer}; no upstream counter of {destination.host} changed"
    return _verdict(Outcome.BLOCKED, "", "ANSWERED_BY_ROUTE", text, observed)


def _not_sent(destination: Destination, evidence: Evidence) -> Verdict:
    """The verdict if no upstream counter of the destination changed."""
    observed = f"{evidence.answer}; no upstream counter of {destination.host} changed"
    if evidence.timed_out:
        return _inconclusive("TIMED_OUT", "there was no answer before the probe timed out", observed)
    if destination.scheme == "http" and evidence.status == 502:
        text = "the sidecar answered the request itself and opened no upstream connection"
        return _verdict(Outcome.BLOCKED, "", "BLOCKED_HTTP", text, observed)
    if evidence.status == 503 and (nowhere := [c for c in evidence.routed_to if c in evidence.unknown_clusters]):
        text = f"the route leads to {nowhere[0]}, which the sidecar does not have, so it answered itself"
        return _verdict(Outcome.BLOCKED, "", "ROUTE_LEADS_NOWHERE", text, observed)
    others = [u for u in evidence.upstreams if u.moved and shares_port(u.cluster, destination)]
    if _answered_from_outside(destination, evidence):
        return _answered_by_another(others, evidence, observed)
    if empty := [u.cluster for u in evidence.upstreams if not u.address]:
        text = "the sidecar allows it but has no address of the destination"
        return _verdict(Outcome.UNREACHABLE, empty[0], "NO_UPSTREAM_ADDRESS", text, observed)
    if answered_by_sidecar(evidence) and len(evidence.routed_to) == 1:
        return _no_upstream(evidence, evidence.routed_to[0], observed)
    if others:
        text = "other traffic to the same port changed its counters"
        return _inconclusive("COUNTERS_DISTURBED", text, _counters(others))
    if not evidence.status and (evidence.tls_error or evidence.error):
        text = "the sidecar closed the connection and opened no upstream connection"
        return _verdict(Outcome.BLOCKED, "", "BLOCKED_CLOSED", text, observed)
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "no upstream counter changed, but it was not refused either", observed)


def _no_upstream(evidence: Evidence, cluster: str, observed: str) -> Verdict:
    """The verdict if the sidecar has a cluster for the request, but used none of its hosts."""
    if evidence.header("x-envoy-overloaded"):
        text = "the limit of connections or requests to the destination is reached, so the sidecar answered itself"
        return _verdict(Outcome.UNREACHABLE, cluster, "UPSTREAM_LIMIT_REACHED", text, observed)
    text = "the sidecar allows it but considers no address of the destination healthy"
    return _verdict(Outcome.UNREACHABLE, cluster, "NO_HEALTHY_UPSTREAM", text, observed)


def _answered_from_outside(destination: Destination, evidence: Evidence) -> bool:
    """Whether the answer came from beyond the sidecar, which terminates no TLS and answers 503 itself if it has no
    upstream."""
    if destination.speaks_tls:
        return evidence.timings.tls is not None
    if destination.only_connects:
        return evidence.answered
    return evidence.status not in {0, 503}


def _answered_by_another(others: Sequence[UpstreamDelta], evidence: Evidence, observed: str) -> Verdict:
    if sum(u.rq_total for u in others) == 1 and evidence.header("server") != "envoy":
        text = "another registered service captures every connection to this port"
        return _verdict(Outcome.REGISTERED, others[0].cluster, "TAKEN_BY_PORT", text, _counters(others))
    return _inconclusive("NO_UPSTREAM_EVIDENCE", "it was answered, but no upstream counter changed", observed)


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
