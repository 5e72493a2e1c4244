"""What the policy says of a connection, as the sidecar of the asking workload decides.

The order is that of the connection's way: interception, the listener of its port, the registry, the faults on its
route, and for what nobody registered the outbound policy.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.resources import Interception, Labels
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.observed.inventory import ForeignVirtualService
from egress_server.domain.probe.judge import Destination, Expectation, Outcome
from egress_server.domain.render.policies import render_interception
from egress_server.domain.simulate.interception import Rules, Ruling, read_rules, rule
from egress_server.domain.simulate.outbound_mode import EffectiveMode, config_map, effective_mode
from egress_server.domain.simulate.registry import Item, assumes_http, hosts_that_matter, http_in_sight, registry
from egress_server.domain.simulate.routing import (
    ClientWorkload,
    Listener,
    Routing,
    find_listener,
    may_spare,
    route,
    seen_through,
)

INJECTOR = "istio-sidecar-injector"


@dataclass(frozen=True, slots=True)
class Request:
    """A connection as a workload makes it. `address` is the IP address it dials, empty where that is not known;
    `headers` are those of its request."""

    destination: Destination
    namespace: str
    labels: Labels = field(default_factory=dict)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Each step of the decision, and its result. `asked` is normalized; `items` are the registry's on this port,
    `taker` the one that gets the connection, `routing` the rules that route a request, `holding` the outbound mode
    for connections that no item takes."""

    asked: Request
    expected: Expectation
    interception: Interception | None
    ruling: Ruling
    items: tuple[Item, ...]
    listener: Listener
    taker: Item | None
    routing: Routing
    holding: EffectiveMode

    @property
    def fault(self) -> ActiveFault | None:
        """What of ours disturbs the request."""
        return self.routing.fault


def evaluate(
    wanted: Effective,
    namespace: str,
    destination: Destination,
    labels: Labels | None = None,
    *,
    address: str = "",
    headers: Mapping[str, str] | None = None,
) -> Expectation:
    """The outcome that policy asks for, and the resource that decides it, for a workload with `labels`.

    Where the `address` that it dials is not known, the connection counts as captured, and as one to the addresses of
    the entry for its host.
    """
    asked = _plain(wanted, Request(destination, namespace, labels or {}, address, headers or {}))
    return _decided(wanted, asked, hosts_that_matter(wanted, asked.destination, asked.address)).expected


def decide(wanted: Effective, asked: Request) -> Evaluation:
    """What becomes of the connection, and by what."""
    return _decided(wanted, _plain(wanted, asked), None)


def _decided(wanted: Effective, asked: Request, hosts: Collection[str] | None) -> Evaluation:
    """The decision by the items of these hosts; of all of them where None."""
    to = asked.destination
    interception = wanted.interception_for(asked.namespace, asked.labels)
    holds = effective_mode(wanted, asked.namespace, asked.labels)
    items = registry(wanted, asked.namespace, to.port, hosts, asked.labels)
    # Where only some hosts are looked at, the others may still have made the port what it is.
    is_http = hosts is not None and http_in_sight(wanted, asked.namespace, to.port, holds.sidecar)
    listener = find_listener(items, to, asked.address, assumed_http=is_http or assumes_http(wanted, to.port))
    taker = listener.taker(to, asked.address)
    routing = Routing()
    if seen_through(listener, to):
        client = ClientWorkload(asked.namespace, asked.labels, holds.sidecar)
        routing = route(wanted, taker, to, client, asked.headers)
    decision = Evaluation(
        asked=asked,
        expected=Expectation(Outcome.INCONCLUSIVE),
        interception=interception,
        ruling=rule(_rules(wanted, interception), asked.address, to.port),
        items=tuple(items),
        listener=listener,
        taker=taker,
        routing=routing,
        holding=holds,
    )
    return replace(decision, expected=_expected(wanted, to, decision))


def _rules(wanted: Effective, interception: Interception | None) -> Rules:
    """What is written into pods: by our policy, else by the injector's own values."""
    if interception:
        return read_rules(render_interception(interception, wanted.cluster)["spec"])
    return read_rules(wanted.beside.injector or None)


def _plain(wanted: Effective, asked: Request) -> Request:
    """A final dot is DNS's and part of no Host or server name; a host that is an address is the one that is dialled; a
    short one of a Service stands for all of it."""
    host = wanted.beside.full_name(asked.namespace, asked.destination.host.rstrip("."))
    destination = replace(asked.destination, host=host)
    return replace(asked, destination=destination, address=_as_address(asked.address or destination.host))


def _as_address(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


def _expected(wanted: Effective, to: Destination, decision: Evaluation) -> Expectation:
    if decision.ruling.captured is False:
        by = decision.interception.name if decision.interception else config_map(wanted, INJECTOR)
        return _by(wanted, Outcome.BYPASSED, by)
    if not decision.listener.understands(to):
        # It waits for the client's first words, and says nothing to silence.
        owner = decision.listener.owner(http=False)
        return _by(wanted, Outcome.INCONCLUSIVE, owner.name if owner else "")
    routing = decision.routing
    if routing.fault:
        spared = Outcome.BLOCKED if routing.strayed else Outcome.REGISTERED
        expected = _by(wanted, Outcome.FAULTED, routing.fault.fault.name)
        return replace(expected, also=(spared,)) if may_spare(routing.fault.fault) else expected
    if routing.foreign:
        return _routed_by(wanted, routing.foreign, None if routing.strayed else decision.taker)
    if routing.strayed:
        return _astray(wanted, routing.ours)
    if decision.taker:
        return _by(wanted, Outcome.REGISTERED, decision.taker.entry.name)
    holds = decision.holding
    outcome = Outcome.PASSTHROUGH if holds.lets_pass else Outcome.BLOCKED
    return _by(wanted, outcome, holds.policy.name if holds.policy else holds.speaker)


def _routed_by(wanted: Effective, foreign: ForeignVirtualService, taker: Item | None) -> Expectation:
    """Where the routes of others lead is not known here, only whether some of them inject faults, or answer by
    themselves."""
    if taker is None or foreign.answers:
        return _by(wanted, Outcome.INCONCLUSIVE, virtual_service_name(foreign))
    expected = _by(wanted, Outcome.REGISTERED, taker.entry.name)
    return replace(expected, also=(Outcome.FAULTED,)) if foreign.faults else expected


def _astray(wanted: Effective, ours: str) -> Expectation:
    """The sidecar answers a request itself that its route sends nowhere; where routes name other hosts, who knows."""
    elsewhere = any(entry.name == ours and entry.traffic.routes for entry in wanted.entries)
    return _by(wanted, Outcome.INCONCLUSIVE if elsewhere else Outcome.BLOCKED, ours)


def _by(wanted: Effective, outcome: Outcome, name: str) -> Expectation:
    return Expectation(outcome, name, wanted.revisions.get(name, 0))
