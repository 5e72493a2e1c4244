"""VirtualServices, managed and foreign, as sidecars apply them (virtualservice_controller.go and virtualservice.go in
Istio's pilot/pkg/model)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from egress_server.domain.desired.effective import Effective
from egress_server.domain.istio.read_virtual_service import read_virtual_service
from egress_server.domain.istio.virtual_service import HttpRule, RequestMatch, RouteTarget, VirtualServiceSpec
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.objects import IstioObject, resource_of
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.observed.inventory import ForeignVirtualService
from egress_server.domain.render.route_names import fault_in
from egress_server.domain.render.virtual_service import resources_in
from egress_server.domain.simulate.istiod.delegates import merge_delegate
from egress_server.domain.simulate.istiod.services import ANY, NONE, OWN

_OWN_RANK, _NAMED, _PUBLIC = range(3)


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A VirtualService. `resource` is the managed resource that it is rendered from, or the name of a foreign object;
    `faults` are the managed faults by the name of their rules. `known` is False if its rules are not known."""

    namespace: str
    name: str
    created: datetime
    spec: VirtualServiceSpec
    export_to: frozenset[str]
    resource: str
    faults: Mapping[str, str] = field(default_factory=dict)
    foreign: ForeignVirtualService | None = None
    known: bool = True

    @property
    def id(self) -> str:
        """NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Sorts by age, as istiod does."""
        return self.created.replace(microsecond=0), self.name, self.namespace

    def visible_to(self, namespace: str) -> bool:
        """Whether it is exported to a namespace."""
        if ANY in self.export_to:
            return True
        return NONE not in self.export_to and namespace in self.export_to

    def rank(self, client: str) -> int:
        """Sorts by how it is exported to `client`."""
        if ANY in self.export_to:
            return _PUBLIC
        return _OWN_RANK if self.namespace == client else _NAMED

    def targets(self) -> Iterator[RouteTarget]:
        """All destinations."""
        for http in self.spec.http:
            yield from http.route
        for rule in (*self.spec.tcp, *self.spec.tls):
            yield from rule.route

    def ports_to(self, host: str, client: str) -> set[int]:
        """The ports of its destinations at a host, 0 for one without a port; empty if it leads nowhere there. HTTP
        rules for other namespaces don't count."""
        targets = [target for rule in self.spec.http if _concerns(rule, client) for target in rule.route]
        targets += [target for rule in (*self.spec.tcp, *self.spec.tls) for target in rule.route]
        return {target.port for target in targets if target.host == host}


def managed(effective: Effective, obj: IstioObject) -> VirtualService:
    """A rendered VirtualService. When it was created is not known, but not before the first of its resources."""
    metadata, resource = obj["metadata"], resource_of(obj)
    mesh = parse_name(resource).mesh
    spec = read_virtual_service(obj["spec"], metadata["namespace"])
    sources = {resource, *resources_in(obj)} & effective.create_times.keys()
    return VirtualService(
        namespace=metadata["namespace"],
        name=metadata["name"],
        created=min(effective.create_time(name) for name in sources),
        spec=spec,
        export_to=_export_to(effective, spec, metadata["namespace"]),
        resource=resource,
        faults={rule.name: str(fault_in(rule.name, mesh)) for rule in spec.http if rule.delay or rule.abort},
    )


def foreign_virtual_services(effective: Effective) -> Iterator[VirtualService]:
    """The foreign ones, with the rules of their delegates."""
    found = [
        vs for vs in effective.foreign.virtual_services if vs.namespace not in effective.foreign.ignored_namespaces
    ]
    delegates = {f"{vs.namespace}/{vs.name}": vs for vs in found if not vs.hosts and not vs.spec.hosts}
    for vs in found:
        if not vs.hosts and not vs.spec.hosts:
            continue
        known = bool(vs.spec.hosts)
        spec = vs.spec if known else replace(vs.spec, hosts=vs.hosts, export_to=vs.export_to)
        if not spec.mesh:
            continue
        http = tuple(rule for each in spec.http for rule in _rules(effective, each, vs.namespace, delegates))
        spec = replace(spec, http=http)
        yield VirtualService(
            namespace=vs.namespace,
            name=vs.name,
            created=vs.create_time,
            spec=spec,
            export_to=_export_to(effective, spec, vs.namespace),
            resource=virtual_service_name(vs),
            foreign=vs,
            known=known,
        )


def _rules(
    effective: Effective, rule: HttpRule, namespace: str, delegates: Mapping[str, ForeignVirtualService]
) -> tuple[HttpRule, ...]:
    """The rule, or those of its delegate; none if the delegate does not exist or is not exported to the namespace."""
    if not rule.delegate:
        return (rule,)
    delegate = delegates.get(rule.delegate)
    if delegate is None:
        return ()
    export_to = _export_to(effective, delegate.spec, delegate.namespace)
    if not export_to & {ANY, namespace}:
        return ()
    return merge_delegate(rule, delegate.spec.http)


def _export_to(effective: Effective, spec: VirtualServiceSpec, namespace: str) -> frozenset[str]:
    default = effective.foreign.mesh.default_virtual_service_export_to or (ANY,)
    return frozenset(namespace if to == OWN else to for to in spec.export_to or default)


def _concerns(rule: HttpRule, client: str) -> bool:
    """Whether a rule may be for a namespace: of its matches that name one, the last or one before it does."""
    concerned = True
    for match in rule.match:
        if match.source_namespace == client:
            return True
        if match.source_namespace:
            concerned = False
    return concerned


def unconditional(match: RequestMatch) -> bool:
    """Whether every request satisfies a match, once its port and source are known to."""
    return not (
        (match.uri and match.uri.value != "/")
        or match.scheme
        or match.method
        or match.authority
        or match.headers
        or match.without_headers
        or match.query_params
    )
