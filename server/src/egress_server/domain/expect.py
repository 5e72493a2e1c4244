"""What the policy says of a connection, as the sidecar of the asking workload decides.

The order is that of the connection's way: interception, the listener of its port, the registry, the faults on its
route, and for what nobody registered the outbound policy.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from egress_server.domain.effective import ActiveFault, Effective
from egress_server.domain.intercept import Ruling, read_rules, rule
from egress_server.domain.probe import Destination, Expectation, Outcome
from egress_server.domain.registry import Item, hosts_that_matter, registry
from egress_server.domain.render.interception import render_interception
from egress_server.domain.resources import Interception, Labels, OutboundMode, OutboundPolicy, Resource
from egress_server.domain.routing import Listener, fault_on, find_listener, may_spare, seen_through


@dataclass(frozen=True, slots=True)
class Asked:
    """A connection as a workload makes it. `address` is the IP address it dials, empty where that is not known;
    `headers` are those of its request."""

    destination: Destination
    namespace: str
    labels: Labels = field(default_factory=dict)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Every step of the way, and what it comes to. `asked` is in its plain form; `items` are those of the registry on
    this port, `taker` the one that gets the connection, `fault` what disturbs it."""

    asked: Asked
    expected: Expectation
    interception: Interception | None
    ruling: Ruling
    items: tuple[Item, ...]
    listener: Listener
    taker: Item | None
    fault: ActiveFault | None
    policy: OutboundPolicy | None


def expect(
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
    asked = _plain(Asked(destination, namespace, labels or {}, address, headers or {}))
    return _decided(wanted, asked, hosts_that_matter(wanted, asked.destination)).expected


def decide(wanted: Effective, asked: Asked) -> Decision:
    """What becomes of the connection, and by what."""
    return _decided(wanted, _plain(asked), None)


def _decided(wanted: Effective, asked: Asked, hosts: Collection[str] | None) -> Decision:
    """The decision by the items of these hosts; of all of them where None."""
    to = asked.destination
    interception = wanted.interception_for(asked.namespace, asked.labels)
    rules = read_rules(render_interception(interception, wanted.cluster)["spec"] if interception else None)
    items = registry(wanted, asked.namespace, to.port, hosts)
    listener = find_listener(items, to, asked.address)
    taker = listener.taker(to, asked.address)
    fault = None
    if seen_through(listener, to):
        fault = fault_on(wanted, taker, to, asked.namespace, asked.labels, asked.headers)
    decision = Decision(
        asked=asked,
        expected=Expectation(Outcome.INCONCLUSIVE),
        interception=interception,
        ruling=rule(rules, asked.address, to.port),
        items=tuple(items),
        listener=listener,
        taker=taker,
        fault=fault,
        policy=wanted.outbound_for(asked.namespace, asked.labels),
    )
    return replace(decision, expected=_expected(wanted, to, decision))


def _plain(asked: Asked) -> Asked:
    """A final dot is DNS's and part of no Host or server name; a host that is an address is the one that is dialled."""
    destination = replace(asked.destination, host=asked.destination.host.rstrip("."))
    return replace(asked, destination=destination, address=_as_address(asked.address or destination.host))


def _as_address(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


def _expected(wanted: Effective, to: Destination, decision: Decision) -> Expectation:
    if decision.ruling.captured is False:
        return _by(wanted, Outcome.BYPASSED, decision.interception)
    if not decision.listener.understands(to):
        # An HTTP listener hangs up on TLS. One that waits for the client's first words says nothing to silence.
        outcome = Outcome.BLOCKED if to.speaks_tls else Outcome.INCONCLUSIVE
        return _by(wanted, outcome, decision.listener.owner)
    if decision.fault:
        sometimes = decision.taker is not None and may_spare(decision.fault.fault)
        expected = _by(wanted, Outcome.FAULTED, decision.fault.fault)
        return replace(expected, also=(Outcome.REGISTERED,)) if sometimes else expected
    if decision.taker:
        return _by(wanted, Outcome.REGISTERED, decision.taker.entry)
    blocked = decision.policy is not None and decision.policy.mode is OutboundMode.REGISTRY_ONLY
    return _by(wanted, Outcome.BLOCKED if blocked else Outcome.PASSTHROUGH, decision.policy)


def _by(wanted: Effective, outcome: Outcome, resource: Resource | None) -> Expectation:
    if resource is None:
        return Expectation(outcome)
    return Expectation(outcome, resource.name, wanted.revisions.get(resource.name, 0))
