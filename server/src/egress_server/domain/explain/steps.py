"""The steps of a connection, in the order of its path, as sentences."""

from collections.abc import Iterator

from egress_server.domain.desired.effective import Effective
from egress_server.domain.probe.verdicts import Outcome, Upstream
from egress_server.domain.simulate.evaluate import Evaluation
from egress_server.domain.simulate.faults import describe_effect, fault_percent
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.upstreams import ClusterState, SentTo
from egress_server.domain.simulate.istiod.virtual_services import VirtualService
from egress_server.domain.simulate.outbound_mode import INJECTOR, istio_config_map
from egress_server.domain.simulate.path import RuleInEffect

_STATES = {
    ClusterState.WITHOUT_ENDPOINTS: "has no endpoints",
    ClusterState.UNKNOWN_HOST: "is not a host that this workload's sidecar knows",
    ClusterState.UNKNOWN_PORT: "has no such port",
    ClusterState.UNKNOWN_SUBSET: "has no such subset in a DestinationRule that applies",
    ClusterState.NO_CLUSTER: "has no endpoints",
}


def steps(effective: Effective, evaluation: Evaluation) -> Iterator[str]:
    """The steps, one sentence or two each."""
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
    if evaluation.tied:
        yield _order_step(effective, evaluation)
    yield _listener_step(effective, evaluation)
    if evaluation.path.hangs:
        return
    yield _registry_step(effective, evaluation)
    yield from _routes_steps(effective, evaluation)
    yield from _upstream_steps(effective, evaluation)
    if not evaluation.path.is_registered:
        yield _policy_step(effective, evaluation)


def _listener_step(effective: Effective, evaluation: Evaluation) -> str:
    destination, path = evaluation.request.destination, evaluation.path
    port, listener = destination.port, path.listener
    cause = listener.waits_because_of() if listener else None
    source = f" (because of {effective.foreign.describe(cause.entry.name)})" if cause else ""
    if path.hangs:
        return (
            f"Listener: on port {port} the sidecar waits for the client's first bytes to detect the protocol{source}, "
            "so connections on which the client sends nothing will hang."
        )
    if listener is None:
        return (
            f"Listener: no entry that namespace {evaluation.request.namespace} sees distinguishes connections to port "
            f"{port}."
        )
    if path.sees_requests:
        return f"Listener: port {port} is read as HTTP{source}, and requests are distinguished by their Host."
    if listener.address:
        return f"Listener: {listener.address} port {port} has a listener of its own, which gets all connections there."
    protocol = f"port {port} is read as HTTP, but this connection is not HTTP"
    if not listener.reads_http or (path.chain and path.chain.cidrs):
        protocol = f"port {port} is not read as HTTP"
    if any(chain.cidrs for chain in listener.chains):
        return f"Listener: {protocol}; such connections are distinguished by address."
    if listener.reads_server_names:
        return f"Listener: {protocol}; such connections are distinguished by server name."
    return f"Listener: {protocol}; such connections are not distinguished."


def _order_step(effective: Effective, evaluation: Evaluation) -> str:
    host = evaluation.tied[0].host
    names = list(dict.fromkeys(effective.foreign.describe(each.entry.name) for each in evaluation.tied))
    result = "istiod may take any of them first, so the outcome may change; the following steps show one case"
    if len(names) == 1:
        addresses = ", ".join(each.address for each in evaluation.tied)
        return f"Order: {names[0]} has several addresses for {host} ({addresses}): {result}."
    return f"Order: {' and '.join(names)} declare {host} and were created in the same second: {result}."


def _registry_step(effective: Effective, evaluation: Evaluation) -> str:
    request, service = evaluation.request, evaluation.path.service
    host, port = request.destination.host, request.destination.port
    declared = service.port(port) if service else None
    if service is None or declared is None:
        return f"Registry: namespace {request.namespace} sees no entry for {host} port {port}."
    entry = effective.foreign.describe(service.entry.name)
    registers = f"{entry} registers {service.host} port {port} as {declared.protocol.label}"
    chain = evaluation.path.chain
    if chain is None or chain.is_http or chain.server_names or chain.cidrs or service.address:
        return f"Registry: {registers}."
    return f"Registry: {registers} without addresses, which captures every connection to the port."


def _routes_steps(effective: Effective, evaluation: Evaluation) -> Iterator[str]:
    path = evaluation.path
    vs = path.virtual_service
    if vs is None:
        return
    name = describe_virtual_service(effective, vs)
    kind = "requests" if path.virtual_host else "connections"
    host = path.virtual_host.domain if path.virtual_host else path.service.host if path.service else ""
    if not vs.known:
        yield f"Routes: {name} routes {kind} to {host}; its rules are not known here."
        return
    if not path.virtual_host:
        yield f"Routes: {name} routes connections to {host}: {_destinations(path.sent_to)}."
    for position, effect in enumerate(path.rules):
        condition = " if its regular expression matches" if position < len(path.rules) - 1 else ""
        yield f"Routes: {name} routes requests to {host}{condition}: {_rule(effect)}."
        rule = effect.rule
        if rule and (rule.delay or rule.abort):
            fault = path.faults.get(rule.name) or name
            others = " Other requests are not affected." if fault_percent(rule.delay, rule.abort) < 100 else ""
            yield f"Fault: {fault} {describe_effect(rule.delay, rule.abort)}.{others}"


def describe_virtual_service(effective: Effective, vs: VirtualService) -> str:
    """A VirtualService for messages."""
    if vs.foreign:
        return effective.foreign.describe(vs.resource)
    return f"VirtualService {vs.id} of {vs.resource}"


def _rule(effect: RuleInEffect) -> str:
    rule = effect.rule
    if rule is None:
        return "no rule matches, so the sidecar answers 404"
    name = f"rule {rule.name}" if rule.name else "the first rule that matches"
    if rule.answers:
        kind = "a redirect" if rule.answers == "redirect" else "a direct response"
        return f"{name} answers with {kind}, status {rule.status}"
    return f"{name} leads to {_destinations(effect.sent_to)}"


def _destinations(sent_to: tuple[SentTo, ...]) -> str:
    weights = len(sent_to) > 1
    return ", ".join(f"{_name(each.upstream)}{f' ({each.weight})' if weights else ''}" for each in sent_to) or "nothing"


def _name(upstream: Upstream) -> str:
    subset = f" subset {upstream.subset}" if upstream.subset else ""
    return f"{upstream.host} port {upstream.port}{subset}"


def _upstream_steps(effective: Effective, evaluation: Evaluation) -> Iterator[str]:
    path = evaluation.path
    for each in path.all_sent:
        if reason := _reason(path.service, each):
            result = "the sidecar answers 503 or closes the connection"
            yield f"Upstream: {_name(each.upstream)} {reason}, so {result}."
        elif each.tls and each.rule:
            rules = " and ".join(effective.foreign.describe(name) for name in each.rule.resources)
            to = _name(each.upstream)
            yield f"TLS by DestinationRule: {rules} makes the sidecar originate TLS ({each.tls.value}) to {to}."


def _reason(service: MeshService | None, sent: SentTo) -> str:
    """Why an upstream gets nothing; empty if it does."""
    if sent.state.outcome is Outcome.REGISTERED:
        return ""
    reason = _STATES[sent.state]
    if sent.service and sent.state is ClusterState.UNKNOWN_PORT and service and service.entry is not sent.service.entry:
        return (
            f"is provided by {sent.service.entry.name}, which lacks that port: Istio merges the ports of entries only "
            "if their namespace, resolution, labels, workload selector and exportTo are equal"
        )
    if sent.service and sent.service.host != sent.upstream.host:
        return f"is registered as {sent.service.host}, and Istio compares the case of names here"
    return reason


def _policy_step(effective: Effective, evaluation: Evaluation) -> str:
    mode = evaluation.path.mode
    effect = "may pass" if mode.allows_unregistered else "are blocked"
    if evaluation.path.egress:
        effect = f"go to {_name(evaluation.path.egress.upstream)}"
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
