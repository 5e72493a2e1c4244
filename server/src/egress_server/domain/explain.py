"""What will happen to a connection, and by which resource, in words. No traffic: the desired state alone decides.

The outcome is that of `expect`; what stands here says why, of the winner as of everything that lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from egress_server.domain.candidates import Candidate, candidates
from egress_server.domain.effective import Effective
from egress_server.domain.expect import Asked, Decision, decide
from egress_server.domain.findings import Finding, Severity
from egress_server.domain.lint import lint
from egress_server.domain.probe import Expectation, matches_host
from egress_server.domain.resources import Fault, OutboundMode, Resource
from egress_server.domain.routing import effect_of, may_spare, seen_through
from egress_server.domain.snapshot import Snapshot

FAULT_UNSEEN = "EGR0601"
ENTRY_UNSEEN = "EGR0602"
PORT_TAKEN = "EGR0603"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What will happen, the steps of the way in words, everything that could have decided with the winner first, and
    what else is worth knowing; as of `revision`."""

    expected: Expectation
    steps: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    revision: int


def explain(snapshot: Snapshot, wanted: Effective, asked: Asked) -> Explanation:
    """The explanation of one connection; `wanted` is what `snapshot` comes to on the cluster."""
    decision = decide(wanted, asked)
    return Explanation(
        expected=decision.expected,
        steps=tuple(_steps(decision.asked, decision)),
        candidates=tuple(candidates(snapshot, wanted, decision)),
        findings=tuple(_findings(snapshot, wanted, decision)),
        revision=wanted.revision,
    )


def _steps(asked: Asked, decision: Decision) -> Iterator[str]:
    """In the order in which a connection goes its way."""
    by = f"by {decision.interception.name}" if decision.interception else "by default"
    match decision.ruling.captured:
        case False:
            yield f"Interception {by}: {decision.ruling.why}, so the connection goes past the sidecar."
            yield "Past the sidecar neither registry nor faults nor outbound policy mean anything."
            return
        case True:
            yield f"Interception {by}: {decision.ruling.why}, so the sidecar gets the connection."
        case None:
            yield f"Interception {by}: {decision.ruling.why}; what follows is for a connection that is captured."
    yield _listener_step(asked, decision)
    if decision.listener.understands(asked.destination):
        yield _registry_step(asked, decision)
        if decision.fault:
            yield _fault_step(decision.fault.fault)
        if decision.taker is None and decision.fault is None:
            yield _policy_step(decision)


def _listener_step(asked: Asked, decision: Decision) -> str:
    port, listener = asked.destination.port, decision.listener
    owner = f" (by {listener.owner.name})" if listener.owner else ""
    if listener.reads_http:
        if asked.destination.scheme == "http":
            return f"Port {port} is read as HTTP{owner}: requests are told apart by their Host."
        what = "TLS is no HTTP, and the sidecar hangs up" if asked.destination.speaks_tls else "it waits for a request"
        return f"Port {port} is read as HTTP{owner}: {what}."
    if not listener.items:
        return (
            f"No entry in sight of namespace {asked.namespace} makes the sidecar tell connections to port {port} apart."
        )
    if not listener.understands(asked.destination):
        return f"Port {port} waits for the client's first bytes, to find a server name{owner}: silence gets nowhere."
    if listener.waits_for_tls:
        return f"Port {port} is not read as HTTP: connections are told apart by server name."
    if any(item.entry.addresses for item in listener.items):
        return f"Port {port} is not read as HTTP: connections are told apart by address."
    return f"Port {port} is not read as HTTP, and nothing tells its connections apart."


def _registry_step(asked: Asked, decision: Decision) -> str:
    host, port, taker = asked.destination.host, asked.destination.port, decision.taker
    if taker is None:
        return f"Registry: nothing that namespace {asked.namespace} sees takes {host} port {port}."
    what = f"{taker.host} port {port} as {taker.port.protocol.value}"
    if taker.port.protocol.is_http or taker.port.protocol.is_tls or taker.entry.addresses:
        return f"Registry: {taker.entry.name} registers {what}."
    return f"Registry: {taker.entry.name} registers {what} without addresses, which takes every connection to the port."


def _fault_step(fault: Fault) -> str:
    sometimes = " Others pass undisturbed." if may_spare(fault) else ""
    return f"Fault: {fault.name} {effect_of(fault)}.{sometimes}"


def _policy_step(decision: Decision) -> str:
    if decision.policy is None:
        return "Outbound policy: none is set, and Istio's default lets what nobody registered pass."
    if decision.policy.mode is OutboundMode.REGISTRY_ONLY:
        return f"Outbound policy: {decision.policy.name} is REGISTRY_ONLY, so what nobody registered is refused."
    return f"Outbound policy: {decision.policy.name} is ALLOW_ANY, so what nobody registered passes."


def _findings(snapshot: Snapshot, wanted: Effective, decision: Decision) -> Iterator[Finding]:
    yield from _fault_findings(wanted, decision)
    yield from _entry_findings(decision)
    involved: dict[str, Resource] = {}
    if decision.taker:
        involved[decision.taker.entry.name] = decision.taker.entry
    if decision.fault:
        involved[decision.fault.fault.name] = decision.fault.fault
    if decision.expected.resource and (versioned := snapshot.get(decision.expected.resource)):
        involved[versioned.resource.name] = versioned.resource
    for name, resource in involved.items():
        for finding in lint(snapshot, resource).findings:
            yield finding if finding.resource else replace(finding, resource=name)


def _fault_findings(wanted: Effective, decision: Decision) -> Iterator[Finding]:
    asked = decision.asked
    if decision.ruling.captured is False or seen_through(decision.listener, asked.destination):
        return
    for active in wanted.faults:
        if matches_host(active.fault.host, asked.destination.host):
            yield Finding(
                FAULT_UNSEEN,
                Severity.WARNING,
                "url",
                f"the fault disturbs HTTP requests, and the sidecar sees none of those to {asked.destination.url}: it "
                "does nothing here",
                "ask plain HTTP on a port declared HTTP, HTTP2 or GRPC; the sidecar can then speak TLS itself "
                "(tls_origination)",
                resource=active.fault.name,
            )


def _entry_findings(decision: Decision) -> Iterator[Finding]:
    asked, taker = decision.asked, decision.taker
    host, port = asked.destination.host, asked.destination.port
    unseen = {item.entry.name: item for item in decision.items if not item.visible and matches_host(item.host, host)}
    for name, item in unseen.items():
        yield Finding(
            ENTRY_UNSEEN,
            Severity.WARNING,
            "namespace",
            f"an entry for {item.host} port {port} is not seen by workloads of {asked.namespace}: it is {item.why}",
            f"add {asked.namespace} to its export_to",
            resource=name,
        )
    if taker and not taker.entry.addresses and not matches_host(taker.host, host):
        yield Finding(
            PORT_TAKEN,
            Severity.WARNING,
            "url",
            f"{taker.host} is TCP without addresses: it takes every connection to port {port}, and this one to {host}",
            "give that entry its addresses",
            resource=taker.entry.name,
            related_codes=("IST0134",),
        )
