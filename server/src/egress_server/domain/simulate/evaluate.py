"""What policy does with a connection, as the sidecar of the client workload decides it.

The steps are in the order of the connection's path: interception, the listener and its filter chain, for HTTP the
virtual host and the rule of its VirtualService, the upstreams, and for unregistered destinations the outbound policy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import Fault, Interception, Resource, Scoped, ServiceEntry
from egress_server.domain.model.selectors import Labels
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Expectation
from egress_server.domain.render.policies import render_interception
from egress_server.domain.simulate.expectation import expect, united
from egress_server.domain.simulate.interception import CaptureDecision, CaptureRules, decide_capture, parse_rules
from egress_server.domain.simulate.istiod.requests import Request
from egress_server.domain.simulate.istiod.scope import SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.world import World, world_of
from egress_server.domain.simulate.outbound_mode import effective_mode
from egress_server.domain.simulate.path import Path, follow
from egress_server.domain.simulate.registry import RegistryItem, registry

__all__ = ["Evaluation", "Request", "evaluate", "may_apply", "predict"]


@dataclass(frozen=True)
class Evaluation:
    """The result of each step, and the outcome. `request` is normalized; `path` is the connection's way through the
    sidecar. There are several `expectations` if it matters which of the `tied` services, which are equally old, istiod
    takes first: `path` is the way for the first expectation."""

    effective: Effective
    request: Request
    expectations: tuple[Expectation, ...]
    interception: Interception | None
    capture: CaptureDecision
    path: Path
    tied: tuple[MeshService, ...] = ()

    @property
    def expectation(self) -> Expectation:
        """What is expected: any of the `expectations`."""
        return united(self.expectations)

    @cached_property
    def items(self) -> tuple[RegistryItem, ...]:
        """The registry's items on this port."""
        request = self.request
        return tuple(registry(self.effective, request.namespace, request.destination.port, request.labels))

    @cached_property
    def owner(self) -> RegistryItem | None:
        """The item that gets the connection; None if it is unregistered."""
        service = self.path.service
        if service is None:
            return None
        port = service.port(self.request.destination.port)
        return RegistryItem(service.host.lower(), port, service.entry) if port else None

    @property
    def fault(self) -> ActiveFault | None:
        """The managed fault that applies to the request."""
        name = self.path.fault
        return next((active for active in self.effective.faults if active.fault.name == name), None)

    @property
    def sees_requests(self) -> bool:
        """Whether the sidecar sees the requests in the connection, which faults require."""
        return self.path.sees_requests

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
    """The outcome that policy asks for, and the resource that decides it, for a workload with `labels`.

    If the `address` that it dials is unknown, the connection goes to the addresses of the entry for its host.
    """
    request = Request(destination, namespace, labels or {}, address, headers or {}, method)
    return evaluate(effective, request).expectation


def evaluate(effective: Effective, request: Request) -> Evaluation:
    """What happens to the connection, step by step."""
    request = _normalized(effective, request)
    mode = effective_mode(effective, request.namespace, request.labels)
    interception = effective.interception_for(request.namespace, request.labels)
    rules = _capture_rules(effective, interception)

    def in_order_of(world: World) -> tuple[Path, CaptureDecision, Expectation]:
        path = follow(SidecarScope(world, request.namespace, mode.sidecar), mode, request)
        capture = decide_capture(rules, request.address or path.service_address, request.destination.port)
        return path, capture, expect(effective, path, capture, interception)

    world = world_of(effective)
    path, capture, first = in_order_of(world)
    turns = [in_order_of(turned) for turned in world.turns()]
    expectations = tuple(dict.fromkeys((first, *(each for _, _, each in turns))))
    tied = _tied(world, request, (path, *(each for each, _, _ in turns))) if len(expectations) > 1 else ()
    return Evaluation(effective, request, expectations, interception, capture, path, tied)


def _tied(world: World, request: Request, paths: Iterable[Path]) -> tuple[MeshService, ...]:
    """The services of equal age that the ways of the connection differ by: those of its host, else of a host that gets
    it on one of the ways."""
    hosts = [request.destination.host]
    for path in paths:
        hosts += [path.service.host] if path.service else []
        hosts += [sent.upstream.host for sent in path.all_sent]
    known = (tied for host in (*hosts, *world.ties) for tied in world.ties.get(host, ()))
    return tuple(next(known, ()))


def may_apply(resource: Resource, request: Request) -> bool:
    """Whether a resource could affect the connection if the cluster held it."""
    host = request.destination.host
    if isinstance(resource, ServiceEntry):
        return any(matches_host(pattern, host) for pattern in resource.hosts)
    if isinstance(resource, Fault):
        return matches_host(resource.host, host)
    return isinstance(resource, Scoped) and resource.scope.namespace in {"", request.namespace}


def _capture_rules(effective: Effective, interception: Interception | None) -> CaptureRules:
    """The rules in the workload's pods: those of the managed policy, else the injector's own."""
    if interception:
        return parse_rules(render_interception(interception, effective.cluster)["spec"])
    return parse_rules(effective.foreign.injector or None)


def _normalized(effective: Effective, request: Request) -> Request:
    """DNS allows a trailing dot, which is not part of a Host header or server name; a host that is an IP address is the
    address being dialed; and a short name of a Service is replaced by its full name."""
    host = effective.foreign.full_name(request.namespace, request.destination.host.lower().rstrip("."))
    destination = replace(request.destination, host=host)
    return replace(request, destination=destination, address=_as_address(request.address or destination.host))


def _as_address(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return ""
