"""What policy does with a connection, as the sidecar of the client workload decides it.

The steps are in the order of the connection's path: interception, the listener of its port, the registry, the faults on
its route and, for unregistered destinations, the outbound policy.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import Fault, Interception, Resource, Scoped, ServiceEntry
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.observed.inventory import ForeignVirtualService
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Expectation, Outcome
from egress_server.domain.render.policies import render_interception
from egress_server.domain.simulate.interception import CaptureDecision, CaptureRules, decide_capture, parse_rules
from egress_server.domain.simulate.listener import Listener, find_listener
from egress_server.domain.simulate.outbound_mode import INJECTOR, EffectiveMode, effective_mode, istio_config_map
from egress_server.domain.simulate.registry import (
    RegistryItem,
    assumes_http,
    has_visible_http,
    registry,
    relevant_hosts,
)
from egress_server.domain.simulate.routing import ClientWorkload, Routing, fault_percent, may_not_apply, route


@dataclass(frozen=True, slots=True)
class Request:
    """A connection that a workload makes. `address` is the IP address that it dials, empty if unknown; `headers` and
    `method` are those of its request."""

    destination: Destination
    namespace: str
    labels: Labels = field(default_factory=dict)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of each step, and the outcome. `request` is normalized; `items` are the registry's items on this port,
    `owner` is the one that gets the connection, `routing` is what routes a request, and `outbound_mode` applies to
    connections that no item gets."""

    request: Request
    expectation: Expectation
    interception: Interception | None
    capture: CaptureDecision
    items: tuple[RegistryItem, ...]
    listener: Listener
    owner: RegistryItem | None
    routing: Routing
    outbound_mode: EffectiveMode

    @property
    def fault(self) -> ActiveFault | None:
        """The managed fault that applies to the request."""
        return self.routing.fault

    @property
    def sees_requests(self) -> bool:
        """Whether the sidecar sees the requests in the connection, which faults require."""
        return self.listener.sees_requests(self.request.destination)

    @property
    def hides_requests(self) -> bool:
        """Whether the connection may go through the sidecar without showing it any requests."""
        return self.capture.captured is not False and not self.sees_requests


def predict(
    effective: Effective,
    namespace: str,
    destination: Destination,
    labels: Labels | None = None,
    *,
    address: str = "",
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> Expectation:
    """The outcome that policy asks for, and the resource that decides it, for a workload with `labels`. Cheaper than
    `evaluate`, as it considers relevant hosts only.

    If the `address` that it dials is unknown, the connection counts as captured and goes to the addresses of the entry
    for its host.
    """
    request = _normalized(effective, Request(destination, namespace, labels or {}, address, headers or {}, method))
    hosts = relevant_hosts(effective, request.destination, request.address)
    return _evaluate(effective, request, hosts).expectation


def evaluate(effective: Effective, request: Request) -> Evaluation:
    """What happens to the connection, step by step."""
    return _evaluate(effective, _normalized(effective, request), None)


def may_apply(resource: Resource, request: Request) -> bool:
    """Whether a resource could affect the connection if the cluster held it."""
    host = request.destination.host
    if isinstance(resource, ServiceEntry):
        return any(matches_host(pattern, host) for pattern in resource.hosts)
    if isinstance(resource, Fault):
        return matches_host(resource.host, host)
    return isinstance(resource, Scoped) and resource.scope.namespace in {"", request.namespace}


def _evaluate(effective: Effective, request: Request, hosts: Collection[str] | None) -> Evaluation:
    """The evaluation given the items of these hosts, or of all hosts if None."""
    to = request.destination
    interception = effective.interception_for(request.namespace, request.labels)
    mode = effective_mode(effective, request.namespace, request.labels)
    items = registry(effective, request.namespace, to.port, hosts, request.labels)
    # If only some hosts are considered, the other ones may still make it an HTTP port.
    is_http = hosts is not None and has_visible_http(effective, request.namespace, to.port, mode.sidecar)
    listener = find_listener(items, to, request.address, assumed_http=is_http or assumes_http(effective, to.port))
    owner = listener.owner(to, request.address)
    routing = Routing()
    if listener.sees_requests(to):
        client = ClientWorkload(request.namespace, request.labels, mode.sidecar)
        routing = route(effective, owner, to, client, request.headers, request.method)
    evaluation = Evaluation(
        request=request,
        expectation=Expectation(Outcome.INCONCLUSIVE),
        interception=interception,
        capture=decide_capture(_capture_rules(effective, interception), request.address, to.port),
        items=tuple(items),
        listener=listener,
        owner=owner,
        routing=routing,
        outbound_mode=mode,
    )
    return replace(evaluation, expectation=_expectation(effective, evaluation))


def _capture_rules(effective: Effective, interception: Interception | None) -> CaptureRules:
    """The rules in the workload's pods: those of the managed policy, else the injector's own."""
    if interception:
        return parse_rules(render_interception(interception, effective.cluster)["spec"])
    return parse_rules(effective.foreign.injector or None)


def _normalized(effective: Effective, request: Request) -> Request:
    """DNS allows a trailing dot, which is not part of a Host header or server name; a host that is an IP address is the
    address being dialed; and a short name of a Service is replaced by its full name."""
    host = effective.foreign.full_name(request.namespace, request.destination.host.rstrip("."))
    destination = replace(request.destination, host=host)
    return replace(request, destination=destination, address=_as_address(request.address or destination.host))


def _as_address(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


def _expectation(effective: Effective, evaluation: Evaluation) -> Expectation:
    if evaluation.capture.captured is False:
        interception = evaluation.interception
        source = interception.name if interception else istio_config_map(effective, INJECTOR)
        return _decided_by(effective, Outcome.BYPASSED, source)
    if not evaluation.listener.can_handle(evaluation.request.destination):
        entry = evaluation.listener.inspection_source(http=False)
        return _decided_by(effective, Outcome.INCONCLUSIVE, entry.name if entry else "")
    routing = evaluation.routing
    if routing.fault:
        unaffected = Outcome.BLOCKED if routing.dangling else Outcome.REGISTERED
        fault = routing.fault.fault
        expectation = replace(_decided_by(effective, Outcome.FAULTED, fault.name), fault_percent=fault_percent(fault))
        return replace(expectation, also=(unaffected,)) if may_not_apply(fault) else expectation
    if routing.foreign:
        return _routed_by_foreign(effective, routing.foreign, None if routing.dangling else evaluation.owner)
    if routing.dangling:
        return _dangling(effective, routing.resource)
    if evaluation.owner:
        return _decided_by(effective, Outcome.REGISTERED, evaluation.owner.entry.name)
    mode = evaluation.outbound_mode
    outcome = Outcome.PASSTHROUGH if mode.allows_unregistered else Outcome.BLOCKED
    return _decided_by(effective, outcome, mode.policy.name if mode.policy else mode.source)


def _routed_by_foreign(effective: Effective, foreign: ForeignVirtualService, owner: RegistryItem | None) -> Expectation:
    """The destinations of foreign routes are not known here, only whether some of them inject faults or answer requests
    themselves."""
    if owner is None or foreign.answers:
        return _decided_by(effective, Outcome.INCONCLUSIVE, virtual_service_name(foreign))
    expectation = _decided_by(effective, Outcome.REGISTERED, owner.entry.name)
    return replace(expectation, also=(Outcome.FAULTED,)) if foreign.faults else expectation


def _dangling(effective: Effective, resource: str) -> Expectation:
    """The sidecar itself answers a request whose route leads nowhere; if routes name other hosts, the outcome is
    unknown."""
    has_routes = any(entry.name == resource and entry.traffic.routes for entry in effective.entries)
    return _decided_by(effective, Outcome.INCONCLUSIVE if has_routes else Outcome.BLOCKED, resource)


def _decided_by(effective: Effective, outcome: Outcome, name: str) -> Expectation:
    return Expectation(outcome, name, effective.revisions.get(name, 0))
