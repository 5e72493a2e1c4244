"""Whether a fault caused the result of an attempt, judged by the sidecar's live route together with where the request
went and how long it took.

Never by the status alone: origins answer 503 too, and may be slow.
"""

from collections.abc import Iterator
from dataclasses import replace

from egress_server.domain.probe.evidence import Evidence, LiveFault
from egress_server.domain.probe.verdicts import Cause, Outcome, Verdict

# Delays are measured from outside: the sidecar's timer starts a little later, and it reports whole milliseconds.
_TOLERANCE = 0.95


def attribute_delay(verdict: Verdict, evidence: Evidence) -> Verdict:
    """FAULTED instead of REGISTERED if a live fault delayed the request before it was sent. The sidecar reports how
    long the destination took, so a slow destination is not mistaken for a fault."""
    upstream_ms = evidence.header("x-envoy-upstream-service-time")
    took = evidence.timings.response
    if verdict.outcome is not Outcome.REGISTERED or took is None or not upstream_ms.isdecimal():
        return verdict
    upstream = int(upstream_ms) / 1000
    fault = next((f for f in evidence.live_faults if 0 < f.delay * _TOLERANCE <= took - upstream), None)
    if fault is None:
        return verdict
    text = f"{_describe(fault)} delays requests by {fault.delay:g} s, and this one was delayed before it was sent"
    observed = f"answered after {took:.3f} s, of which the destination took {upstream:.3f} s"
    return replace(verdict, outcome=Outcome.FAULTED, causes=(Cause("FAULT_DELAY", text, observed), *verdict.causes))


def attribute_to_fault(host: str, evidence: Evidence) -> Verdict | None:
    """FAULTED if a live fault explains why no upstream counter changed; None otherwise."""
    causes = tuple(_causes(host, evidence))
    return Verdict(Outcome.FAULTED, "", causes) if causes else None


def _causes(host: str, evidence: Evidence) -> Iterator[Cause]:
    observed = f"{evidence.answer}; no upstream counter of {host} changed"
    for fault in evidence.live_faults:
        if evidence.status and _is_abort(fault, evidence):
            status = f"HTTP {fault.http_status}" if fault.http_status else f"gRPC status {fault.grpc_status}"
            text = f"{_describe(fault)} aborts requests with {status}, and this one never left the sidecar"
            yield Cause("FAULT_ABORT", text, observed)
    took = (evidence.timings.response if evidence.status else evidence.timings.total) or 0.0
    for fault in evidence.live_faults:
        if fault.delay and _is_delayed(fault, evidence, took):
            text = f"{_describe(fault)} delays requests by {fault.delay:g} s, and this one was delayed"
            yield Cause("FAULT_DELAY", text, f"{observed}; {took:.3f} s in total")


def _is_delayed(fault: LiveFault, evidence: Evidence, took: float) -> bool:
    """Whether the answer came after the delay, or the attempt timed out before the delay ended."""
    if evidence.status:
        return took >= fault.delay * _TOLERANCE
    return evidence.timed_out and fault.delay >= took * _TOLERANCE


def _is_abort(fault: LiveFault, evidence: Evidence) -> bool:
    """Whether the answer is the fault's. To a client that speaks plain HTTP, a gRPC abort is a bare 200."""
    if fault.grpc_status is None:
        return bool(fault.http_status) and evidence.status == fault.http_status
    return evidence.status == 200 and evidence.header("grpc-status") in {"", str(fault.grpc_status)}


def _describe(fault: LiveFault) -> str:
    owner = f" of VirtualService {fault.virtual_service}" if fault.virtual_service else ""
    return f"{f'route {fault.route}' if fault.route else 'an unnamed route'}{owner}"
