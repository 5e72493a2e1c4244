"""Every resource that could have decided on a connection, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.names import ResourceKind, matches_host
from egress_server.domain.model.resources import Fault, Resource, Scoped, Selected, ServiceEntry
from egress_server.domain.model.status import Problem
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.probe.judge import Outcome
from egress_server.domain.simulate.evaluate import Evaluation, Request
from egress_server.domain.simulate.registry import Item
from egress_server.domain.simulate.routing import effect_of, labels_text, seen_through, why_not


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource or an object that is not ours and has a say, whether it decides, and why or why not."""

    resource: str
    revision: int
    wins: bool
    why: str


def candidates(
    snapshot: Snapshot, wanted: Effective, decision: Evaluation, obstacles: Mapping[str, Problem]
) -> list[Candidate]:
    """The winner first, then in the order of the connection's way: interceptions, entries, routes, faults, what else
    says the mode, policies. What the cluster does not hold, as `obstacles` say, comes last."""
    asked = decision.asked
    reasons: dict[str, str] = {}
    pairs = (
        *_not_held(snapshot, asked, obstacles),
        *_scoped(snapshot, wanted, asked, decision, ResourceKind.INTERCEPTION),
        *_entries(wanted, asked, decision),
        *_routes(wanted, decision),
        *_faults(wanted, asked, decision),
        *_speaker(decision),
        *_scoped(snapshot, wanted, asked, decision, ResourceKind.OUTBOUND_POLICY),
    )
    for name, why in pairs:
        reasons.setdefault(name, why)
    winner = decision.expected.resource
    ordered = sorted(reasons.items(), key=lambda pair: (pair[0] != winner, pair[0] in obstacles))
    return [Candidate(name, wanted.revisions.get(name, 0), name == winner, why) for name, why in ordered]


def _not_held(snapshot: Snapshot, asked: Request, obstacles: Mapping[str, Problem]) -> Iterator[tuple[str, str]]:
    """What would have a say if the cluster held it."""
    for name, problem in obstacles.items():
        versioned = snapshot.get(name)
        if versioned and _concerns(versioned.resource, asked):
            yield name, f"the cluster does not hold it ({problem.reason}): {problem.message}"


def _concerns(resource: Resource, asked: Request) -> bool:
    host = asked.destination.host
    if isinstance(resource, ServiceEntry):
        return any(matches_host(pattern, host) for pattern in resource.hosts)
    if isinstance(resource, Fault):
        return matches_host(resource.host, host)
    return isinstance(resource, Scoped) and resource.scope.namespace in {"", asked.namespace}


def _scoped(
    snapshot: Snapshot, wanted: Effective, asked: Request, decision: Evaluation, kind: ResourceKind
) -> Iterator[tuple[str, str]]:
    """Policies for the workload's namespace or the whole mesh, on this cluster."""
    holding: Scoped | None = decision.interception if kind is ResourceKind.INTERCEPTION else decision.holding.policy
    by_scope = wanted.interceptions if kind is ResourceKind.INTERCEPTION else wanted.outbound
    for name in snapshot.names(kind):
        policy = snapshot.of_kind(kind)[name].resource
        if not isinstance(policy, Scoped) or policy.scope.namespace not in {"", asked.namespace}:
            continue
        if not policy.cluster_selector.selects(wanted.cluster):
            continue
        strongest = by_scope.get(policy.scope.key())
        if holding and policy.name == holding.name:
            yield name, _holds(decision, kind)
        elif strongest and policy.name != strongest.name:
            yield name, _outranked(policy, strongest)
        elif not policy.scope.match_labels.items() <= asked.labels.items():
            yield name, f"it is for workloads labelled {labels_text(policy.scope.match_labels)}"
        elif holding:
            yield name, f"{holding.name} is for a narrower scope, which wins"
        elif kind is ResourceKind.OUTBOUND_POLICY and decision.holding.speaker:
            yield name, f"{wanted.beside.title(decision.holding.speaker)} displaces it for the workload"


def _holds(decision: Evaluation, kind: ResourceKind) -> str:
    if kind is ResourceKind.INTERCEPTION:
        return f"it holds for the workload: {decision.ruling.why}"
    outcome = decision.expected.outcome
    if outcome in {Outcome.PASSTHROUGH, Outcome.BLOCKED} and not decision.routing.host:
        return "it holds for the workload, and nobody registered the destination"
    mode = decision.holding.mode
    if outcome is Outcome.BYPASSED:
        return f"it holds for the workload ({mode}), and the connection never meets the sidecar"
    return f"it holds for the workload ({mode}), and has no say in what is decided before"


def _outranked(policy: Selected, winner: Selected) -> str:
    if policy.cluster_selector.rank == winner.cluster_selector.rank:
        return f"{winner.name} is for the same scope and clusters alike, and older"
    return f"{winner.name} is for the same scope: named clusters beat labels, and labels beat all"


def _entries(wanted: Effective, asked: Request, decision: Evaluation) -> Iterator[tuple[str, str]]:
    host, port = asked.destination.host, asked.destination.port
    taker, owner = decision.taker, decision.listener.owner(http=False)
    if taker:
        yield taker.entry.name, _takes(decision, taker, host)
    elif owner and not decision.listener.understands(asked.destination):
        yield owner.name, f"it has the sidecar wait for the client's first bytes on port {port}"
    for item in decision.items:
        if matches_host(item.host, host) or item.entry.addresses:
            if not item.serves:
                yield item.entry.name, item.why
            elif matches_host(item.host, host):
                yield item.entry.name, _loses(asked, item, taker)
    declared = {item.entry.name for item in decision.items}
    for entry in wanted.in_sight:
        pattern = next((pattern for pattern in entry.hosts if matches_host(pattern, host)), None)
        if pattern and entry.name not in declared:
            yield entry.name, f"it registers {pattern}, and no port {port} of it{_strayed(decision, entry.name)}"


def _takes(decision: Evaluation, taker: Item, host: str) -> str:
    what = f"it registers {taker.host} port {taker.port.number} as {taker.port.protocol.value}"
    if not matches_host(taker.host, host):
        what += f", which takes this connection to {host} too"
    if decision.expected.outcome is Outcome.BYPASSED:
        return f"{what}, and the connection never meets the sidecar"
    if decision.routing.strayed:
        return f"{what}, and the routes of {decision.routing.host} take the request from it"
    return f"{what}; a request that the fault lets go comes here" if decision.fault else what


def _strayed(decision: Evaluation, name: str) -> str:
    """What is to be said of a resource whose routes take a request that nobody else would."""
    routing = decision.routing
    return "; its routes take the request all the same" if routing.strayed and routing.ours == name else ""


def _loses(asked: Request, item: Item, taker: Item | None) -> str:
    protocol = item.port.protocol
    if taker and taker.entry.name != item.entry.name:
        return f"{taker.entry.name} comes before it: {taker.host} is closer than {item.host}"
    if protocol.is_http or protocol.is_tls:
        return f"port {item.port.number} is {protocol.value} there, and this is a {asked.destination.scheme} connection"
    return f"it holds for {', '.join(item.entry.addresses)} only"


def _routes(wanted: Effective, decision: Evaluation) -> Iterator[tuple[str, str]]:
    """The VirtualService of others that routes the request, and those that would."""
    foreign = decision.routing.foreign
    if foreign:
        yield virtual_service_name(foreign), f"it routes requests to {decision.routing.host}; nothing else does then"
    elif seen_through(decision.listener, decision.asked.destination):
        for vs in wanted.beside.virtual_services:
            host = next((host for host in vs.hosts if matches_host(host, decision.asked.destination.host)), None)
            if host:
                yield virtual_service_name(vs), "another one routes such requests, or it does not reach the namespace"


def _speaker(decision: Evaluation) -> Iterator[tuple[str, str]]:
    """What is not ours and says the mode."""
    holds = decision.holding
    if not holds.speaker:
        return
    if decision.expected.resource == holds.speaker:
        yield holds.speaker, f"it holds for the workload ({holds.mode}), and nobody registered the destination"
    else:
        yield holds.speaker, f"it holds for the workload ({holds.mode}), and has no say in what is decided before"


def _faults(wanted: Effective, asked: Request, decision: Evaluation) -> Iterator[tuple[str, str]]:
    host = asked.destination.host
    for active in wanted.faults:
        if matches_host(active.fault.host, host):
            yield active.fault.name, _fault(asked, decision, active.fault)


def _fault(asked: Request, decision: Evaluation, fault: Fault) -> str:
    first = decision.fault.fault if decision.fault else None
    if decision.expected.outcome is Outcome.BYPASSED:
        return "the connection never meets the sidecar"
    if not seen_through(decision.listener, asked.destination):
        return "it disturbs HTTP requests, and the sidecar sees none here"
    if first and first.name == fault.name:
        return f"its route is the first that fits: it {effect_of(fault)}"
    if foreign := decision.routing.foreign:
        return f"{virtual_service_name(foreign)} routes requests to {decision.routing.host}, and it is not ours"
    if reason := why_not(fault, asked.destination.port, asked.namespace, asked.labels, asked.headers):
        return reason + _strayed(decision, fault.name)
    if first and first.host == fault.host:
        return f"{first.name} comes before it: the more a fault asks of a request the earlier, then the older"
    return "requests to this host are routed by another host's rules"
