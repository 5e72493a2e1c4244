"""Every resource that could have decided what happens to a connection, and why it does or does not."""

from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.desired.cluster_view import describe_obstacle
from egress_server.domain.desired.effective import Effective
from egress_server.domain.lint.rule import Connection
from egress_server.domain.model.names import ResourceKind, is_resource, matches_host
from egress_server.domain.model.resources import Fault, Scoped, Selected
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Evaluation, may_apply
from egress_server.domain.simulate.faults import describe_effect, fault_mismatch, format_labels
from egress_server.domain.simulate.registry import RegistryItem

_UNREGISTERED = "applies to this workload, and the destination is unregistered"
_BYPASSED = "the connection bypasses the sidecar"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource or foreign object that could decide, whether it does, and why or why not."""

    resource: str
    revision: int
    wins: bool
    reason: str


def candidates(connection: Connection) -> list[Candidate]:
    """The deciding resource first, then the others in the order of the connection's path: interceptions, entries,
    routes, faults, foreign sources of the outbound mode, outbound policies. Resources that the cluster does not hold
    come last."""
    effective, evaluation = connection.effective, connection.evaluation
    reasons: dict[str, str] = {}
    pairs = (
        *_not_held(connection),
        *_policies(connection, ResourceKind.INTERCEPTION),
        *_entries(effective, evaluation),
        *_routes(effective, evaluation),
        *_faults(effective, evaluation),
        *_mode_source(evaluation),
        *_policies(connection, ResourceKind.OUTBOUND_POLICY),
    )
    for name, reason in pairs:
        reasons.setdefault(name, reason)
    winner, obstacles = evaluation.expectation.resource, connection.report.obstacles
    ordered = sorted(reasons.items(), key=lambda pair: (pair[0] != winner, pair[0] in obstacles))
    return [Candidate(name, effective.revisions.get(name, 0), name == winner, reason) for name, reason in ordered]


def _not_held(connection: Connection) -> Iterator[tuple[str, str]]:
    """What could decide if the cluster held it."""
    for name, problem in connection.report.obstacles.items():
        known = connection.snapshot.get(name)
        if known and may_apply(known.resource, connection.evaluation.request):
            yield name, describe_obstacle(problem)


def _policies(connection: Connection, kind: ResourceKind) -> Iterator[tuple[str, str]]:
    """The policies for the workload's namespace or the whole mesh on this cluster."""
    snapshot, effective, evaluation = connection.snapshot, connection.effective, connection.evaluation
    request, is_interception = evaluation.request, kind is ResourceKind.INTERCEPTION
    applied: Scoped | None = evaluation.interception if is_interception else evaluation.path.mode.policy
    by_scope = effective.interceptions if is_interception else effective.outbound
    for name in snapshot.names(kind):
        policy = snapshot.of_kind(kind)[name].resource
        if not isinstance(policy, Scoped) or policy.scope.namespace not in {"", request.namespace}:
            continue
        if not policy.cluster_selector.selects(effective.cluster):
            continue
        highest = by_scope.get(policy.scope.key())
        if applied and policy.name == applied.name:
            yield name, _applied_reason(evaluation, kind)
        elif highest and policy.name != highest.name:
            yield name, _outranked_reason(policy, highest)
        elif not policy.scope.match_labels.items() <= request.labels.items():
            yield name, f"applies only to workloads labeled {format_labels(policy.scope.match_labels)}"
        elif applied:
            yield name, f"{applied.name} has a narrower scope, which takes precedence"
        elif kind is ResourceKind.OUTBOUND_POLICY and evaluation.path.mode.source:
            source = effective.foreign.describe(evaluation.path.mode.source)
            yield name, f"{source} takes precedence for this workload"


def _applied_reason(evaluation: Evaluation, kind: ResourceKind) -> str:
    if kind is ResourceKind.INTERCEPTION:
        return f"applies to this workload: {evaluation.capture.reason}"
    mode = evaluation.path.mode.mode
    if evaluation.expectation.outcome is Outcome.BYPASSED:
        return f"applies to this workload ({mode}), but {_BYPASSED}"
    if not evaluation.path.is_registered:
        return _UNREGISTERED
    return f"applies to this workload ({mode}), but an earlier rule already decided this connection"


def _outranked_reason(policy: Selected, highest: Selected) -> str:
    if policy.cluster_selector.rank == highest.cluster_selector.rank:
        return f"{highest.name} has the same scope and rank, and is older"
    return f"{highest.name} has the same scope and a higher rank: named clusters, then labels, then all clusters"


def _entries(effective: Effective, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    destination, owner = evaluation.request.destination, evaluation.owner
    path = evaluation.path
    if owner:
        yield owner.entry.name, _owner_reason(evaluation, owner)
    elif path.hangs and path.listener and (cause := path.listener.waits_because_of()):
        yield cause.entry.name, f"makes the sidecar wait for the client's first bytes on port {destination.port}"
    yield from _upstreams(evaluation)
    for item in evaluation.items:
        if matches_host(item.host, destination.host) or item.entry.addresses:
            if not item.reachable:
                yield item.entry.name, item.reason
            elif matches_host(item.host, destination.host):
                yield item.entry.name, _not_owner_reason(evaluation, item)
    declared = {item.entry.name for item in evaluation.items}
    for entry in effective.all_entries:
        pattern = next((pattern for pattern in entry.hosts if matches_host(pattern, destination.host)), None)
        if pattern and entry.name not in declared:
            yield (
                entry.name,
                f"registers {pattern}, but not port {destination.port}{_routes_suffix(evaluation, entry.name)}",
            )


def _owner_reason(evaluation: Evaluation, owner: RegistryItem) -> str:
    host = evaluation.request.destination.host
    reason = f"registers {owner.host} port {owner.port.number} as {owner.port.protocol.label}"
    if not matches_host(owner.host, host):
        reason += f", which also captures this connection to {host}"
    if evaluation.expectation.outcome is Outcome.BYPASSED:
        return f"{reason}, but {_BYPASSED}"
    vs = evaluation.path.virtual_service
    if vs and evaluation.expectation.resource == vs.resource != owner.entry.name:
        return f"{reason}, but VirtualService {vs.id} decides where it goes"
    return f"{reason}; requests that the fault does not abort are sent here" if evaluation.fault else reason


def _upstreams(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """The entries that provide the hosts which connections are sent to, and the DestinationRules that apply there."""
    for sent in evaluation.path.all_sent:
        upstream = f"{sent.upstream.host} port {sent.upstream.port}"
        if sent.rule and sent.tls:
            for name in sent.rule.resources:
                if not is_resource(name):
                    yield name, f"makes the sidecar originate TLS ({sent.tls.value}) to {upstream}"
        if sent.service:
            serves = sent.state.outcome is Outcome.REGISTERED
            state = "gets the connection:" if serves else "provides the host, but does not serve"
            yield sent.service.entry.name, f"{state} {upstream}"


def _routes_suffix(evaluation: Evaluation, name: str) -> str:
    """What to add about a resource whose routes apply to a request although its host is not registered."""
    vs = evaluation.path.virtual_service
    return "; its routes apply to the request nevertheless" if vs and vs.resource == name else ""


def _not_owner_reason(evaluation: Evaluation, item: RegistryItem) -> str:
    protocol, owner = item.port.protocol, evaluation.owner
    if owner and owner.host == item.host and owner.entry.name != item.entry.name:
        return f"{owner.entry.name} also declares port {item.port.number} of {item.host}, and only one of them applies"
    if owner and owner.entry.name != item.entry.name:
        return f"{owner.entry.name} takes precedence: {owner.host} is a closer match than {item.host}"
    if protocol.is_http or protocol.is_tls:
        scheme = evaluation.request.destination.scheme
        return f"declares port {item.port.number} as {protocol.label}, but this connection is {scheme}"
    return f"applies only to {', '.join(item.entry.addresses)}"


def _routes(effective: Effective, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """The foreign VirtualService that routes the connection, or those that could."""
    path = evaluation.path
    vs = path.virtual_service
    if vs and vs.foreign:
        kind = "requests" if path.sees_requests else "connections"
        host = path.virtual_host.domain if path.virtual_host else path.service.host if path.service else ""
        yield vs.resource, f"routes {kind} to {host}, and replaces all other rules"
    for foreign in effective.foreign.virtual_services:
        has_rules = (
            foreign.spec.http or not foreign.spec.hosts if path.sees_requests else foreign.spec.tls or foreign.spec.tcp
        )
        if has_rules and any(matches_host(host, evaluation.request.destination.host) for host in foreign.hosts):
            name = virtual_service_name(foreign)
            yield (
                name,
                "another VirtualService routes this connection, or this one is not visible or has no rule for it",
            )


def _mode_source(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """The foreign object that sets the outbound mode."""
    mode = evaluation.path.mode
    if not mode.source:
        return
    if evaluation.expectation.resource == mode.source:
        yield mode.source, f"applies to this workload ({mode.mode}), and the destination is unregistered"
    else:
        yield (
            mode.source,
            f"applies to this workload ({mode.mode}), but an earlier rule already decided this connection",
        )


def _faults(effective: Effective, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    for active in effective.faults:
        if matches_host(active.fault.host, evaluation.request.destination.host):
            yield active.fault.name, _fault_reason(evaluation, active.fault)


def _fault_reason(evaluation: Evaluation, fault: Fault) -> str:
    request, vs = evaluation.request, evaluation.path.virtual_service
    applied = evaluation.fault.fault if evaluation.fault else None
    if evaluation.expectation.outcome is Outcome.BYPASSED:
        return _BYPASSED
    if not evaluation.sees_requests:
        return "applies to HTTP requests, but the sidecar sees none in this connection"
    if applied and applied.name == fault.name:
        return f"its route is the first that matches: it {describe_effect(fault.delay, fault.abort)}"
    if vs and vs.foreign:
        return f"the unmanaged {vs.resource} routes requests to {request.destination.host}"
    if mismatch := fault_mismatch(fault, request):
        return mismatch + _routes_suffix(evaluation, fault.name)
    if applied and applied.host == fault.host:
        return f"{applied.name} takes precedence: the fault with the most conditions applies, then the oldest"
    return "the rules of another host route these requests"
