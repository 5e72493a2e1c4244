"""A connection's way through the sidecar: listener, filter chain, virtual host, rule and upstreams."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from egress_server.domain.istio.virtual_service import HttpRule, RouteTarget
from egress_server.domain.simulate.istiod.filter_chains import FilterChain, choose_chain
from egress_server.domain.simulate.istiod.listener import Listener, find_listener
from egress_server.domain.simulate.istiod.requests import Request, request_matches
from egress_server.domain.simulate.istiod.scope import SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.upstreams import SentTo, send
from egress_server.domain.simulate.istiod.virtual_hosts import VirtualHost, find_virtual_host
from egress_server.domain.simulate.istiod.virtual_services import VirtualService
from egress_server.domain.simulate.outbound_mode import EffectiveMode


@dataclass(frozen=True, slots=True)
class RuleInEffect:
    """A rule of a VirtualService that gets the request, and the upstreams that it leads to. `rule` is None if no rule
    matches, which the sidecar answers with 404."""

    rule: HttpRule | None
    sent_to: tuple[SentTo, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """The way of a connection to `address`, which may be that of the service it is for. `listener` and `chain` are None
    if those of unregistered destinations get it, and so is `virtual_host` for requests.

    `hangs`: the client waits for the server, and the sidecar for the client. `rules` is one rule, or several if only
    the sidecar can decide which one matches, in the order in which it tries them. `sent_to` are the upstreams if no
    VirtualService has rules for it. `egress` is the upstream that gets it if it is unregistered.
    """

    request: Request
    mode: EffectiveMode
    address: str
    service_address: str = ""
    listener: Listener | None = None
    chain: FilterChain | None = None
    hangs: bool = False
    virtual_host: VirtualHost | None = None
    rules: tuple[RuleInEffect, ...] = ()
    sent_to: tuple[SentTo, ...] = ()
    egress: SentTo | None = None
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def sees_requests(self) -> bool:
        """Whether the sidecar sees requests in the connection."""
        return self.chain is not None and self.chain.is_http and not self.hangs

    @property
    def virtual_service(self) -> VirtualService | None:
        """The VirtualService that decides where the connection goes."""
        if self.virtual_host:
            return self.virtual_host.virtual_service
        return self.chain.virtual_service if self.chain else None

    @property
    def service(self) -> MeshService | None:
        """The service that gets the connection before any VirtualService decides; None if it is unregistered."""
        if self.hangs:
            return None
        if self.virtual_host:
            return self.virtual_host.service
        return self.chain.service if self.chain and not self.chain.is_http else None

    @property
    def is_registered(self) -> bool:
        """Whether a service or a VirtualService decides, rather than the outbound policy."""
        if self.hangs or self.virtual_host:
            return True
        return self.chain is not None and (not self.chain.is_http or self.chain.routes_of is not None)

    @property
    def all_sent(self) -> tuple[SentTo, ...]:
        """All upstreams that the connection may be sent to."""
        by_rules = (each for effect in self.rules for each in effect.sent_to)
        return (*self.sent_to, *by_rules, *((self.egress,) if self.egress else ()))

    @property
    def fault(self) -> str:
        """The managed fault that applies to the request; empty if there is none."""
        first = self.rules[0].rule if self.rules else None
        return self.faults.get(first.name, "") if first and (first.delay or first.abort) else ""


def follow(scope: SidecarScope, mode: EffectiveMode, request: Request) -> Path:
    """The way of the request's connection."""
    own = _service_address(scope, request)
    address = request.address or own
    listener = find_listener(scope, request, address)
    # A Service's name resolves to its address; an entry's host may have other addresses in DNS.
    certain = own if _is_kubernetes(scope, request) else ""
    path = Path(request, mode, address, service_address=certain, listener=listener)
    scheme = request.destination.scheme
    if scheme == "tcp" and mode.resolves_names:
        # The listener that all connections come to detects HTTP before it hands them over.
        return replace(path, listener=None, hangs=True)
    if listener is None:
        return replace(path, egress=_egress(scope, mode, request, http=scheme == "http"))
    timeout = scope.world.effective.foreign.mesh.protocol_detection_timeout
    if scheme == "tcp" and listener.waits_for_client and not (listener.reads_http and timeout):
        return replace(path, hangs=True)
    named = request.destination.speaks_tls and listener.reads_server_names and not _is_address(request.destination.host)
    name = request.destination.host if named else ""
    chain = choose_chain(listener.chains, address, name, http=scheme == "http")
    path = replace(path, chain=chain)
    if chain is None:
        return replace(path, egress=_egress(scope, mode, request, http=False))
    if chain.is_http:
        return _route(scope, path, chain)
    return replace(path, sent_to=tuple(send(scope, request.labels, target) for target in chain.targets))


def _route(scope: SidecarScope, path: Path, chain: FilterChain) -> Path:
    request = path.request
    host = find_virtual_host(scope, request, chain.routes_of)
    path = replace(path, virtual_host=host)
    if host is None and chain.routes_of:
        return replace(path, rules=(RuleInEffect(None),))
    if host is None:
        return replace(path, egress=_egress(scope, path.mode, request, http=True))
    vs = host.virtual_service
    if vs is None:
        assert host.service is not None
        target = RouteTarget(host.service.host.lower(), request.destination.port)
        return replace(path, sent_to=(send(scope, request.labels, target),))
    rules = []
    for rule, match in host.routes:
        matches = True if match is None else request_matches(match, request)
        if matches is not False:
            rules.append(RuleInEffect(rule, tuple(_targets(scope, request, rule))))
        if matches:
            break
    else:
        if vs.known:
            rules.append(RuleInEffect(None))
    return replace(path, rules=tuple(rules), faults=dict(vs.faults))


def _egress(scope: SidecarScope, mode: EffectiveMode, request: Request, *, http: bool) -> SentTo | None:
    """The egress proxy, if connections to unregistered destinations go there."""
    proxy = mode.egress_proxy
    if proxy is None or not mode.allows_unregistered or (http and mode.resolves_names):
        return None
    return send(scope, request.labels, RouteTarget(proxy.host, proxy.port, proxy.subset))


def _targets(scope: SidecarScope, request: Request, rule: HttpRule) -> Iterable[SentTo]:
    if rule.answers:
        return
    routes = rule.route if len(rule.route) == 1 else [target for target in rule.route if target.weight > 0]
    for target in routes:
        known = scope.cluster_service(target.host)
        host = known.target if known and known.target else target.host
        port = target.port or request.destination.port
        yield send(scope, request.labels, RouteTarget(host, port, target.subset, target.weight))


def _service_address(scope: SidecarScope, request: Request) -> str:
    """The address of the service for exactly the request's host: the first of its single ones, else one in its range;
    empty if it has none that a sidecar uses."""
    host = request.destination.host
    for listener in scope.listeners:
        services = listener.services(host)
        addresses = [address for service in services for address in service.addresses or (service.address,) if address]
        headless = [each for s in services if s.headless for each in s.endpoint_addresses or ()]
        usable = [address for address in (*addresses, *headless) if ":" not in address]
        if single := next((address for address in usable if "/" not in address), ""):
            return single
        if usable:
            return str(next(iter(ip_network(usable[0], strict=False).hosts())))
    return ""


def _is_kubernetes(scope: SidecarScope, request: Request) -> bool:
    return any(s.kubernetes for listener in scope.listeners for s in listener.services(request.destination.host))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
