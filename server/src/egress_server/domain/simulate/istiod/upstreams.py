"""What happens to a connection that is sent to a host of the registry: whether its cluster exists, has endpoints, and
originates TLS (buildOutboundClusters in Istio's cluster.go)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from egress_server.domain.istio.destination_rule import TlsMode
from egress_server.domain.istio.virtual_service import RouteTarget
from egress_server.domain.model.resources import Endpoint, Protocol, Resolution, ServicePort
from egress_server.domain.model.selectors import Labels
from egress_server.domain.probe.verdicts import Outcome, Upstream
from egress_server.domain.simulate.istiod.destination_rules import DestinationRule, tls_of
from egress_server.domain.simulate.istiod.scope import SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService

_DNS = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
_DYNAMIC_PROTOCOLS = (Protocol.HTTP, Protocol.TLS, Protocol.GRPC, Protocol.HTTP2)


class ClusterState(Enum):
    """Whether a connection can be sent on."""

    SERVES = "SERVES"
    MAY_LACK_ENDPOINTS = "MAY_LACK_ENDPOINTS"
    """It exists; whether a workload serves it is not known."""
    WITHOUT_ENDPOINTS = "WITHOUT_ENDPOINTS"
    UNKNOWN_HOST = "UNKNOWN_HOST"
    UNKNOWN_PORT = "UNKNOWN_PORT"
    UNKNOWN_SUBSET = "UNKNOWN_SUBSET"
    NO_CLUSTER = "NO_CLUSTER"
    """istiod makes no cluster for it, such as for names that are resolved by DNS and have no endpoint."""

    @property
    def outcome(self) -> Outcome:
        """The outcome of a connection that is sent there."""
        if self in (ClusterState.SERVES, ClusterState.MAY_LACK_ENDPOINTS):
            return Outcome.REGISTERED
        return Outcome.UNREACHABLE if self is ClusterState.WITHOUT_ENDPOINTS else Outcome.BLOCKED


@dataclass(frozen=True, slots=True)
class SentTo:
    """An upstream that gets connections. `weight` is its share of them, relative to the other upstreams'. `service` has
    its clusters, None if the host has none. `tls` is what the sidecar originates, as `rule` says."""

    upstream: Upstream
    state: ClusterState
    service: MeshService | None = None
    port: ServicePort | None = None
    weight: int = 1
    tls: TlsMode | None = None
    rule: DestinationRule | None = None


def send(scope: SidecarScope, labels: Labels, target: RouteTarget) -> SentTo:
    """What happens to connections of workloads with `labels` to a destination with a port."""
    upstream = Upstream(target.host, target.port, target.subset)
    weight = target.weight or 1
    service = scope.cluster_service(target.host)
    if service is None or service.target:
        return SentTo(upstream, ClusterState.UNKNOWN_HOST, service, weight=weight)
    port = service.port(target.port)
    if port is None or port.protocol is Protocol.UDP:
        return SentTo(upstream, ClusterState.UNKNOWN_PORT, service, weight=weight)
    rule = scope.world.rules.applies(service, scope.client, labels)
    state = _state(scope, service, port, target.subset, rule)
    return SentTo(upstream, state, service, port, weight, tls_of(rule, target.port, target.subset), rule)


def _state(
    scope: SidecarScope, service: MeshService, port: ServicePort, subset: str, rule: DestinationRule | None
) -> ClusterState:
    found = rule.subset(subset) if rule and not service.is_dynamic else None
    if subset and found is None:
        return ClusterState.UNKNOWN_SUBSET
    labels = found.labels if found else {}
    if service.is_dynamic:
        return ClusterState.SERVES if port.protocol in _DYNAMIC_PROTOCOLS else ClusterState.NO_CLUSTER
    if service.resolution is Resolution.NONE:
        return ClusterState.SERVES
    if service.kubernetes:
        return _of_kubernetes(service, labels)
    return _of_endpoints(service, labels, list(endpoints_of(scope, service, port)))


def _of_kubernetes(service: MeshService, labels: Labels) -> ClusterState:
    """The labels of its pods are not known."""
    if service.endpoint_addresses == ():
        return ClusterState.WITHOUT_ENDPOINTS
    return ClusterState.MAY_LACK_ENDPOINTS if labels else ClusterState.SERVES


def _of_endpoints(service: MeshService, labels: Labels, endpoints: list[Endpoint | None]) -> ClusterState:
    serving = [each for each in endpoints if each is not None and labels.items() <= each.labels.items()]
    if any(not each.address.startswith("*") for each in serving):
        return ClusterState.SERVES
    if None in endpoints:
        return ClusterState.MAY_LACK_ENDPOINTS
    return ClusterState.NO_CLUSTER if service.resolution in _DNS and not serving else ClusterState.WITHOUT_ENDPOINTS


def endpoints_of(scope: SidecarScope, service: MeshService, port: ServicePort) -> Iterator[Endpoint | None]:
    """The endpoints of a port: those of all entries for the host in the namespace that name the port so. None for
    workloads that are not known."""
    seen: set[str] = set()
    for other in scope.world.services(service.host):
        if other.kubernetes or other.namespace != service.namespace or other.entry.name in seen:
            continue
        seen.add(other.entry.name)
        if not any(each.name == port.name for each in other.ports):
            continue
        yield from other.entry.endpoints
        if other.endpoint_addresses is None:
            yield None
        for address in other.endpoint_addresses or ():
            yield Endpoint(address)
        is_selected = other.endpoint_addresses != () or other.entry.workload_selector
        if not other.entry.endpoints and not is_selected and other.resolution in _DNS:
            yield Endpoint(other.host)
