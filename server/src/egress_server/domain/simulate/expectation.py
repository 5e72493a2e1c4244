"""The outcome of a connection, given its way through the sidecar, and what decides it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from egress_server.domain.desired.effective import Effective
from egress_server.domain.istio.virtual_service import HttpRule
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import Interception
from egress_server.domain.probe.verdicts import Expectation, Outcome, Upstream
from egress_server.domain.simulate.faults import fault_percent
from egress_server.domain.simulate.interception import CaptureDecision
from egress_server.domain.simulate.istiod.upstreams import ClusterState, SentTo
from egress_server.domain.simulate.istiod.virtual_services import VirtualService
from egress_server.domain.simulate.outbound_mode import INJECTOR, istio_config_map
from egress_server.domain.simulate.path import Path, RuleInEffect

_OPEN = (Outcome.REGISTERED, Outcome.PASSTHROUGH)
"""The outcomes that may be the same for the client if the connection bypasses the sidecar."""


def expect(
    effective: Effective, path: Path, capture: CaptureDecision, interception: Interception | None
) -> Expectation:
    """What policy asks for. If it is not known whether the sidecar gets the connection, only outcomes that let it pass
    are expected, or bypassing."""
    source = interception.name if interception else istio_config_map(effective, INJECTOR)
    if capture.captured is False:
        return _with_revision(effective, Expectation(Outcome.BYPASSED, source))
    expectation = _with_revision(effective, _through_sidecar(path))
    if capture.captured:
        return expectation
    if expectation.outcome in _OPEN and all(outcome in _OPEN for outcome in expectation.also):
        return replace(expectation, also=(*expectation.also, Outcome.BYPASSED))
    return _with_revision(effective, Expectation(Outcome.INCONCLUSIVE, source))


def united(expectations: Sequence[Expectation]) -> Expectation:
    """What is expected if it is not known which of these applies: all their outcomes, the first one's first."""
    first = expectations[0]
    if all(each == first for each in expectations):
        return first
    routes = {each.routed_by for each in expectations}
    percents = {each.fault_percent for each in expectations}
    return replace(
        first,
        also=_others([outcome for each in expectations for outcome in (each.outcome, *each.also)]),
        upstreams=tuple(dict.fromkeys(upstream for each in expectations for upstream in each.upstreams)),
        routed_by=first.routed_by if len(routes) == 1 else "",
        fault_percent=first.fault_percent if len(percents) == 1 else 0.0,
        diverted_from=first.diverted_from if len({each.diverted_from for each in expectations}) == 1 else None,
    )


def _with_revision(effective: Effective, expectation: Expectation) -> Expectation:
    return replace(expectation, revision=effective.revisions.get(expectation.resource, 0))


def _through_sidecar(path: Path) -> Expectation:
    if path.hangs:
        service = path.listener.waits_because_of() if path.listener else None
        return Expectation(Outcome.INCONCLUSIVE, service.entry.name if service else path.mode.decided_by)
    if path.chain and path.chain.routes_of and path.virtual_host is None:
        # istiod finds no routes for a listener of one service if its host is not in lower case.
        return Expectation(Outcome.BLOCKED, path.chain.routes_of.entry.name)
    vs = path.virtual_service
    if path.virtual_host and vs:
        return _by_rules(path, vs)
    if path.sent_to:
        return _sent(path, path.sent_to, vs)
    return _unregistered(path)


def _unregistered(path: Path) -> Expectation:
    mode, egress = path.mode, path.egress
    if egress:
        return replace(_sent(path, (egress,), None), resource=mode.decided_by)
    outcome = Outcome.PASSTHROUGH if mode.allows_unregistered else Outcome.BLOCKED
    return Expectation(outcome, mode.decided_by)


def _sent(path: Path, sent_to: Sequence[SentTo], vs: VirtualService | None) -> Expectation:
    """The outcome of connections that are sent to these upstreams: that of the one that gets most of them."""
    ordered = sorted(sent_to, key=lambda each: -each.weight)
    if not ordered:
        return Expectation(Outcome.BLOCKED, vs.resource if vs else "", routed_by=vs.id if vs else "")
    first = ordered[0]
    outcomes = [outcome for each in ordered for outcome in _outcomes(each)]
    return Expectation(
        outcome=outcomes[0],
        resource=_decider(path, first, vs),
        also=_others(outcomes),
        upstreams=tuple(each.upstream for each in ordered if each.state.outcome is Outcome.REGISTERED),
        routed_by=vs.id if vs and not (path.chain and not path.chain.names_virtual_service) else "",
        diverted_from=_diverted_from(path, ordered, vs),
    )


def _diverted_from(path: Path, sent_to: Sequence[SentTo], vs: VirtualService | None) -> Upstream | None:
    """The service of a managed entry from which an unmanaged VirtualService takes connections."""
    service, port = path.service, path.request.destination.port
    if vs is None or is_resource(vs.resource) or service is None or not is_resource(service.entry.name):
        return None
    host = service.host.lower()
    return None if all(each.upstream.host == host for each in sent_to) else Upstream(host, port)


def _outcomes(sent: SentTo) -> Iterable[Outcome]:
    yield sent.state.outcome
    if sent.state is ClusterState.MAY_LACK_ENDPOINTS:
        yield Outcome.UNREACHABLE


def _decider(path: Path, sent: SentTo, vs: VirtualService | None) -> str:
    """The entry of the host that the connection is for if it goes there, else the VirtualService that sends it
    elsewhere. If the host's entry has no cluster, the one that Istio uses instead decides."""
    service = path.service
    default = service is not None and (sent.upstream.host, sent.upstream.subset) == (service.host.lower(), "")
    if vs is not None and not (default and sent.state.outcome is Outcome.REGISTERED):
        return vs.resource
    if sent.service is not None and sent.state.outcome is not Outcome.REGISTERED:
        return sent.service.entry.name
    return _entry_name(path, sent)


def _entry_name(path: Path, sent: SentTo) -> str:
    """The entry that declares the port, of several that are merged."""
    if path.service and path.service.host.lower() == sent.upstream.host.lower():
        return path.service.entry.name
    return sent.service.entry.name if sent.service else ""


def _by_rules(path: Path, vs: VirtualService) -> Expectation:
    """The outcome of the rule that matches; if several may, that of the first, and the others are possible as well."""
    if not path.rules:
        return Expectation(Outcome.INCONCLUSIVE, vs.resource, routed_by=vs.id)
    return united([_by_rule(path, vs, each) for each in path.rules])


def _by_rule(path: Path, vs: VirtualService, effect: RuleInEffect) -> Expectation:
    rule = effect.rule
    if rule is None or rule.answers or not rule.route:
        expectation = Expectation(Outcome.BLOCKED, vs.resource, routed_by=vs.id)
    else:
        expectation = _sent(path, effect.sent_to, vs)
    return _faulted(path, vs, rule, expectation) if rule and (rule.delay or rule.abort) else expectation


def _faulted(path: Path, vs: VirtualService, rule: HttpRule, unaffected: Expectation) -> Expectation:
    also: tuple[Outcome, ...] = ()
    percent = fault_percent(rule.delay, rule.abort)
    if percent < 100:
        also = tuple(outcome for outcome in (unaffected.outcome, *unaffected.also) if outcome is not Outcome.FAULTED)
    resource = path.faults.get(rule.name, "") or vs.resource
    return replace(unaffected, outcome=Outcome.FAULTED, resource=resource, also=also, fault_percent=percent)


def _others(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    return tuple(dict.fromkeys(outcome for outcome in outcomes[1:] if outcome is not outcomes[0]))
