"""Explains what will happen to a connection and which resource decides it, without any traffic: from desired state and
from the foreign configuration on the cluster.

The outcome is simulate's; this package adds the reasons, for the resource that decides as well as for those that don't.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from egress_server.domain.desired.cluster_view import NO_REPORT, ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.explain.candidates import Candidate, candidates
from egress_server.domain.lint.engine import lint, lint_connection
from egress_server.domain.lint.rule import Connection
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import Fault, Resource
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.probe.verdicts import Expectation
from egress_server.domain.simulate.evaluate import Evaluation, Request, evaluate
from egress_server.domain.simulate.outbound_mode import INJECTOR, istio_config_map
from egress_server.domain.simulate.routing import describe_effect, may_not_apply


@dataclass(frozen=True, slots=True)
class Explanation:
    """The expected outcome, the steps that lead to it, every resource that could have decided with the one that does
    first, and findings; as of `revision`."""

    expected: Expectation
    steps: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    revision: int


def explain(
    snapshot: Snapshot, effective: Effective, request: Request, report: ClusterReport = NO_REPORT
) -> Explanation:
    """The explanation of one connection; `effective` is what takes effect on the cluster, given `snapshot`."""
    evaluation = evaluate(effective, request)
    connection = Connection(snapshot, effective, evaluation, report)
    return Explanation(
        expected=evaluation.expectation,
        steps=tuple(_steps(effective, evaluation)),
        candidates=tuple(candidates(connection)),
        findings=(*lint_connection(connection), *_resource_findings(snapshot, evaluation)),
        revision=effective.revision,
    )


def _steps(effective: Effective, evaluation: Evaluation) -> Iterator[str]:
    """The steps in the order of the connection's path."""
    source = "by default"
    if evaluation.interception:
        source = f"by {evaluation.interception.name}"
    elif effective.foreign.injector:
        source = f"by {effective.foreign.describe(istio_config_map(effective, INJECTOR))}"
    capture = evaluation.capture
    match capture.captured:
        case False:
            yield f"Interception {source}: {capture.reason}, so the connection bypasses the sidecar."
            yield "The registry, faults and the outbound policy don't apply to connections that bypass the sidecar."
            return
        case True:
            yield f"Interception {source}: {capture.reason}, so the sidecar captures the connection."
        case None:
            yield f"Interception {source}: {capture.reason}; the following steps assume that it is captured."
    yield _listener_step(effective, evaluation)
    if evaluation.listener.can_handle(evaluation.request.destination):
        yield _registry_step(effective, evaluation)
        if evaluation.routing.foreign or evaluation.routing.dangling:
            yield _routes_step(effective, evaluation)
        if evaluation.fault:
            yield _fault_step(evaluation.fault.fault)
        if evaluation.owner is None and not evaluation.routing.host:
            yield _policy_step(effective, evaluation)


def _listener_step(effective: Effective, evaluation: Evaluation) -> str:
    destination, listener = evaluation.request.destination, evaluation.listener
    port = destination.port
    entry = listener.inspection_source(http=destination.scheme == "http")
    source = f" (because of {effective.foreign.describe(entry.name)})" if entry else ""
    if not listener.can_handle(destination):
        return (
            f"Listener: on port {port} the sidecar waits for the client's first bytes to detect the protocol{source}, "
            "so connections on which the client sends nothing will hang."
        )
    if evaluation.sees_requests:
        return f"Listener: port {port} is read as HTTP{source}, and requests are distinguished by their Host."
    if not listener.items:
        return (
            f"Listener: no entry that namespace {evaluation.request.namespace} sees distinguishes connections to port "
            f"{port}."
        )
    protocol = f"port {port} is read as HTTP, but this connection is not HTTP"
    if not listener.reads_http:
        protocol = f"port {port} is not read as HTTP"
    if listener.by_server_name:
        return f"Listener: {protocol}; such connections are distinguished by server name."
    if any(item.entry.addresses for item in listener.items if not item.is_http):
        return f"Listener: {protocol}; such connections are distinguished by address."
    return f"Listener: {protocol}; such connections are not distinguished."


def _registry_step(effective: Effective, evaluation: Evaluation) -> str:
    request, owner = evaluation.request, evaluation.owner
    host, port = request.destination.host, request.destination.port
    if owner is None:
        return f"Registry: namespace {request.namespace} sees no entry for {host} port {port}."
    entry = effective.foreign.describe(owner.entry.name)
    registers = f"{entry} registers {owner.host} port {port} as {owner.port.protocol.label}"
    if owner.port.protocol.is_http or owner.port.protocol.is_tls or owner.entry.addresses:
        return f"Registry: {registers}."
    return f"Registry: {registers} without addresses, which captures every connection to the port."


def _routes_step(effective: Effective, evaluation: Evaluation) -> str:
    routing = evaluation.routing
    if routing.foreign is None:
        return (
            f"Routes: {routing.resource} has routes for {routing.host}, which is not registered on port "
            f"{evaluation.request.destination.port}: requests that they send to it fail, and the sidecar answers 503."
        )
    virtual_service = effective.foreign.describe(virtual_service_name(routing.foreign))
    faults = ", some with faults" if routing.foreign.faults else ""
    return (
        f"Routes: {virtual_service} routes requests to {routing.host}; its rules{faults} replace all others, and are "
        "not known here."
    )


def _fault_step(fault: Fault) -> str:
    others = " Other requests are not affected." if may_not_apply(fault) else ""
    return f"Fault: {fault.name} {describe_effect(fault)}.{others}"


def _policy_step(effective: Effective, evaluation: Evaluation) -> str:
    mode = evaluation.outbound_mode
    effect = "may pass" if mode.allows_unregistered else "are blocked"
    if mode.policy:
        return (
            f"Outbound policy: {mode.policy.name} is {mode.mode}, so connections to unregistered destinations {effect}."
        )
    if mode.source:
        source = effective.foreign.describe(mode.source)
        return f"Outbound policy: {source} sets {mode.mode}, so connections to unregistered destinations {effect}."
    return (
        "Outbound policy: none is set, so connections to unregistered destinations may pass, which is Istio's default."
    )


def _resource_findings(snapshot: Snapshot, evaluation: Evaluation) -> Iterator[Finding]:
    """The findings that the resources which handle the connection would have if they were set again."""
    involved: dict[str, Resource] = {}
    if evaluation.owner and is_resource(evaluation.owner.entry.name):
        involved[evaluation.owner.entry.name] = evaluation.owner.entry
    if evaluation.fault:
        involved[evaluation.fault.fault.name] = evaluation.fault.fault
    deciding = evaluation.expectation.resource
    if is_resource(deciding) and (known := snapshot.get(deciding)):
        involved[known.resource.name] = known.resource
    for name, resource in involved.items():
        for finding in lint(snapshot, resource).findings:
            yield finding if finding.resource else replace(finding, resource=name)
