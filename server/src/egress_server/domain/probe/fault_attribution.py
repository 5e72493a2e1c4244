"""Whether a fault did it: told by the sidecar's live route together with where the request went and how long it took.

Never by a status alone: an origin answers 503 too, and is slow at times.
"""

from collections.abc import Iterator
from dataclasses import replace

from egress_server.domain.probe.evidence import Evidence, LiveFault
from egress_server.domain.probe.verdicts import Cause, Outcome, Verdict

# A delay is measured from outside: the sidecar's clock begins a little later, and its answers are in milliseconds.
_NEARLY = 0.95


def delayed(verdict: Verdict, evidence: Evidence) -> Verdict:
    """FAULTED where a request went out late for a live delay. The sidecar itself says how long the destination took, so
    a slow one is not mistaken for a fault."""
    served = evidence.header("x-envoy-upstream-service-time")
    took = evidence.timings.response
    if verdict.outcome is not Outcome.REGISTERED or took is None or not served.isdecimal():
        return verdict
    beyond = took - int(served) / 1000
    fault = next((f for f in evidence.live_faults if 0 < f.delay * _NEARLY <= beyond), None)
    if fault is None:
        return verdict
    text = f"{_named(fault)} delays requests by {fault.delay:g} s, and this one was held back before it went out"
    seen = f"answered after {took:.3f} s, of which the destination took {int(served) / 1000:.3f} s"
    return replace(verdict, outcome=Outcome.FAULTED, causes=(Cause("FAULT_DELAY", text, seen), *verdict.causes))


def held_back(host: str, evidence: Evidence) -> Verdict | None:
    """FAULTED where no upstream moved and a live fault says why; None where none does."""
    causes = tuple(_causes(host, evidence))
    return Verdict(Outcome.FAULTED, "", causes) if causes else None


def _causes(host: str, evidence: Evidence) -> Iterator[Cause]:
    seen = f"{evidence.answer}; no upstream counter of {host} moved"
    for fault in evidence.live_faults:
        if evidence.status and _is_abort(fault, evidence):
            status = f"HTTP {fault.http_status}" if fault.http_status else f"gRPC status {fault.grpc_status}"
            yield Cause("FAULT_ABORT", f"{_named(fault)} answers requests with {status}, and this one never left", seen)
    took = (evidence.timings.response if evidence.status else evidence.timings.total) or 0.0
    for fault in evidence.live_faults:
        if fault.delay and _is_held(fault, evidence, took):
            text = f"{_named(fault)} delays requests by {fault.delay:g} s, and this one was held back"
            yield Cause("FAULT_DELAY", text, f"{seen}; {took:.3f} s in all")


def _is_held(fault: LiveFault, evidence: Evidence, took: float) -> bool:
    """Whether the delay is over at the answer, or was not when the attempt's time was."""
    if evidence.status:
        return took >= fault.delay * _NEARLY
    return evidence.timed_out and fault.delay >= took * _NEARLY


def _is_abort(fault: LiveFault, evidence: Evidence) -> bool:
    """Whether the answer is the fault's. To a client that speaks plain HTTP a gRPC status is a bare 200."""
    if fault.grpc_status is None:
        return bool(fault.http_status) and evidence.status == fault.http_status
    return evidence.status == 200 and evidence.header("grpc-status") in {"", str(fault.grpc_status)}


def _named(fault: LiveFault) -> str:
    owner = f" of VirtualService {fault.virtual_service}" if fault.virtual_service else ""
    return f"route {fault.route or 'without a name'}{owner}"
