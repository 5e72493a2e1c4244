"""What will happen to a connection, and by which resource, in words. No traffic: desired state decides, and what the
cluster holds besides.

The outcome is that of `expect`; what stands here says why, of the winner as of everything that lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.explain.candidates import Candidate, candidates
from egress_server.domain.explain.caveats import NO_REPORT, ClusterReport, caveat_findings
from egress_server.domain.lint.engine import lint
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import is_resource, matches_host
from egress_server.domain.model.resources import Fault, Resource
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.probe.judge import Expectation
from egress_server.domain.simulate.evaluate import INJECTOR, Evaluation, Request, decide
from egress_server.domain.simulate.outbound_mode import config_map
from egress_server.domain.simulate.routing import effect_of, may_spare, seen_through

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


def explain(snapshot: Snapshot, wanted: Effective, asked: Request, told: ClusterReport = NO_REPORT) -> Explanation:
    """The explanation of one connection; `wanted` is what `snapshot` comes to on the cluster, as it is seen there."""
    decision = decide(wanted, asked)
    having_a_say = candidates(snapshot, wanted, decision, told.obstacles)
    return Explanation(
        expected=decision.expected,
        steps=tuple(_steps(wanted, decision)),
        candidates=tuple(having_a_say),
        findings=(*_findings(snapshot, wanted, decision), *caveat_findings(wanted, decision, told, having_a_say)),
        revision=wanted.revision,
    )


def _steps(wanted: Effective, decision: Evaluation) -> Iterator[str]:
    """In the order in which a connection goes its way."""
    title, asked = wanted.beside.title, decision.asked
    by = "by default"
    if decision.interception:
        by = f"by {decision.interception.name}"
    elif wanted.beside.injector:
        by = f"by {title(config_map(wanted, INJECTOR))}"
    match decision.ruling.captured:
        case False:
            yield f"Interception {by}: {decision.ruling.why}, so the connection goes past the sidecar."
            yield "Past the sidecar neither registry nor faults nor outbound policy mean anything."
            return
        case True:
            yield f"Interception {by}: {decision.ruling.why}, so the sidecar gets the connection."
        case None:
            yield f"Interception {by}: {decision.ruling.why}; what follows is for a connection that is captured."
    yield _listener_step(wanted, decision)
    if decision.listener.understands(asked.destination):
        yield _registry_step(wanted, decision)
        if decision.routing.foreign or decision.routing.strayed:
            yield _routes_step(wanted, decision)
        if decision.fault:
            yield _fault_step(decision.fault.fault)
        if decision.taker is None and not decision.routing.host:
            yield _policy_step(wanted, decision)


def _listener_step(wanted: Effective, decision: Evaluation) -> str:
    asked = decision.asked
    port, listener = asked.destination.port, decision.listener
    owner = listener.owner(http=asked.destination.scheme == "http")
    by = f" (by {wanted.beside.title(owner.name)})" if owner else ""
    if not listener.understands(asked.destination):
        return f"Port {port} waits for the client's first bytes, to find out what is spoken{by}: silence gets nowhere."
    if seen_through(listener, asked.destination):
        return f"Port {port} is read as HTTP{by}: requests are told apart by their Host."
    if not listener.items:
        return (
            f"No entry in sight of namespace {asked.namespace} makes the sidecar tell connections to port {port} apart."
        )
    start = (
        f"Port {port} is read as HTTP, and this is none" if listener.reads_http else f"Port {port} is not read as HTTP"
    )
    if listener.by_name:
        return f"{start}: connections are told apart by server name."
    if any(item.entry.addresses for item in listener.items if not item.is_http):
        return f"{start}: connections are told apart by address."
    return f"{start}: nothing tells such connections apart."


def _registry_step(wanted: Effective, decision: Evaluation) -> str:
    asked, taker = decision.asked, decision.taker
    host, port = asked.destination.host, asked.destination.port
    if taker is None:
        return f"Registry: nothing that namespace {asked.namespace} sees takes {host} port {port}."
    what = f"{wanted.beside.title(taker.entry.name)} registers {taker.host} port {port} as {taker.port.protocol.value}"
    if taker.port.protocol.is_http or taker.port.protocol.is_tls or taker.entry.addresses:
        return f"Registry: {what}."
    return f"Registry: {what} without addresses, which takes every connection to the port."


def _routes_step(wanted: Effective, decision: Evaluation) -> str:
    foreign, host = decision.routing.foreign, decision.routing.host
    if foreign is None:
        return (
            f"Routes: {decision.routing.ours} has routes for {host}, and nobody registers it on port "
            f"{decision.asked.destination.port}: what they send on to it goes nowhere, and the sidecar answers 503."
        )
    faults = ", some with faults," if foreign.faults else ""
    return (
        f"Routes: {wanted.beside.title(virtual_service_name(foreign))} routes requests to {host} by rules "
        f"of its own{faults} and nobody else's hold; which these are is not known here."
    )


def _fault_step(fault: Fault) -> str:
    sometimes = " Others pass undisturbed." if may_spare(fault) else ""
    return f"Fault: {fault.name} {effect_of(fault)}.{sometimes}"


def _policy_step(wanted: Effective, decision: Evaluation) -> str:
    holds = decision.holding
    effect = "passes" if holds.lets_pass else "is refused"
    if holds.policy:
        return f"Outbound policy: {holds.policy.name} is {holds.mode}, so what nobody registered {effect}."
    if holds.speaker:
        who = wanted.beside.title(holds.speaker)
        return f"Outbound policy: {who} comes to {holds.mode}, so what nobody registered {effect}."
    return "Outbound policy: none is set, and Istio's default lets what nobody registered pass."


def _findings(snapshot: Snapshot, wanted: Effective, decision: Evaluation) -> Iterator[Finding]:
    yield from _fault_findings(wanted, decision)
    yield from _entry_findings(decision)
    involved: dict[str, Resource] = {}
    if decision.taker and is_resource(decision.taker.entry.name):
        involved[decision.taker.entry.name] = decision.taker.entry
    if decision.fault:
        involved[decision.fault.fault.name] = decision.fault.fault
    by = decision.expected.resource
    if is_resource(by) and (versioned := snapshot.get(by)):
        involved[versioned.resource.name] = versioned.resource
    for name, resource in involved.items():
        for finding in lint(snapshot, resource).findings:
            yield finding if finding.resource else replace(finding, resource=name)


def _fault_findings(wanted: Effective, decision: Evaluation) -> Iterator[Finding]:
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


def _entry_findings(decision: Evaluation) -> Iterator[Finding]:
    asked, taker = decision.asked, decision.taker
    host, port = asked.destination.host, asked.destination.port
    unseen = {item.entry.name: item for item in decision.items if not item.visible and matches_host(item.host, host)}
    for name, item in unseen.items():
        yield Finding(
            ENTRY_UNSEEN,
            Severity.WARNING,
            "namespace",
            f"an entry for {item.host} port {port} is not seen by workloads of {asked.namespace}: it is {item.why}",
            f"add {asked.namespace} to its export_to"
            if not item.entry.visible_to(asked.namespace)
            else f"add {item.entry.namespace}/{item.host} to the egress hosts of that Sidecar",
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
