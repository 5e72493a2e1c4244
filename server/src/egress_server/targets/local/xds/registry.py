"""The service registry as the sidecar of one workload sees it.

Which ServiceEntry provides a host, and whether unknown hosts pass, depends on who asks. Istio decides that before it
generates any proxy configuration; so do we. Behaviour measured on istiod 1.31.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address

from egress_server.config.host_overrides import HostOverride
from egress_server.domain.model.objects import ROOT_NAMESPACE
from egress_server.domain.render.host_traffic import virtual_service_rank
from egress_server.targets.local.xds.scoping import (
    HostIndex,
    LocalWorkload,
    Manifest,
    covers,
    effective_for,
    namespace_of,
    visible,
)


class PortKind(Enum):
    """What a proxy can tell about a connection from its port's protocol: a Host, an SNI, or nothing."""

    HTTP = "http"
    TLS = "tls"
    TCP = "tcp"


KINDS = {
    "HTTP": PortKind.HTTP,
    "HTTP2": PortKind.HTTP,
    "GRPC": PortKind.HTTP,
    "GRPC-WEB": PortKind.HTTP,
    "HTTPS": PortKind.TLS,
    "TLS": PortKind.TLS,
    "TCP": PortKind.TCP,
    "MONGO": PortKind.TCP,
    "MYSQL": PortKind.TCP,
    "REDIS": PortKind.TCP,
}
DYNAMIC_DNS = "DYNAMIC_DNS"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service; `target` is the port that endpoints listen on unless they name their own. Without a cluster
    (`has_cluster`) it has a listener and a route that lead nowhere."""

    number: int
    name: str
    protocol: str
    target: int
    has_cluster: bool = True

    @property
    def kind(self) -> PortKind:
        """How connections to this port are classified."""
        return KINDS[self.protocol]


@dataclass(frozen=True, slots=True)
class RegistryEndpoint:
    """An address behind a service, an IP or a DNS name; `ports` maps port names to its own numbers."""

    address: str
    ports: Mapping[str, int]
    weight: int


@dataclass(frozen=True, slots=True)
class Service:
    """One host of the registry. `entry` is the name of the (first) ServiceEntry that defines it.

    `wildcard` is the host that this one was split from, because `--resolve` lists it; empty if there is none.
    """

    host: str
    namespace: str
    entry: str
    ports: tuple[Port, ...]
    resolution: str
    addresses: tuple[str, ...]
    endpoints: tuple[RegistryEndpoint, ...]
    export_to: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    wildcard: str = ""

    @property
    def is_public(self) -> bool:
        """Whether all namespaces see it."""
        return not self.export_to or "*" in self.export_to

    def merges_with(self, other: "Service") -> bool:
        """Whether istiod makes one service of both; see domain.istio.merging."""
        mine = (self.namespace, self.resolution, self.export_to, self.labels)
        return mine == (other.namespace, other.resolution, other.export_to, other.labels)


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that one workload sees: the services by host, oldest first; how their traffic is handled; and whether
    other destinations pass."""

    workload: LocalWorkload
    allow_any: bool
    services: Mapping[str, Service]
    virtual_services: tuple[Manifest, ...]
    routing: HostIndex
    policies: Mapping[str, HostIndex]

    def policy_owner(self, service: Service) -> Manifest | None:
        """The DestinationRule of a service: the workload's namespace comes first, then the service's, then the root
        namespace."""
        for namespace in (self.workload.namespace, service.namespace, ROOT_NAMESPACE):
            if namespace in self.policies:
                for rule in self.policies[namespace].ranked(service.host):
                    return rule
        return None


def read_registry(manifests: Sequence[Manifest], workload: LocalWorkload, resolve: Iterable[HostOverride]) -> Registry:
    """Reduces the objects, given oldest first, to what `workload` sees. Hosts behind a wildcard that `resolve` lists
    become services of their own."""
    seen: dict[str, list[Manifest]] = {kind: [] for kind in ("ServiceEntry", "VirtualService", "DestinationRule")}
    for manifest in manifests:
        if manifest["kind"] in seen and visible(manifest, workload.namespace):
            seen[manifest["kind"]].append(manifest)
    seen["VirtualService"].sort(
        key=lambda m: virtual_service_rank(m["spec"].get("exportTo", ()), namespace_of(m), workload.namespace)
    )
    by_namespace: dict[str, list[Manifest]] = {}
    for rule in seen["DestinationRule"]:
        by_namespace.setdefault(namespace_of(rule), []).append(rule)
    return Registry(
        workload=workload,
        allow_any=_allow_any(manifests, workload),
        services=_with_resolved_hosts(_by_host(seen["ServiceEntry"], workload.namespace), resolve),
        virtual_services=tuple(seen["VirtualService"]),
        routing=HostIndex((host.lower(), m) for m in seen["VirtualService"] for host in m["spec"]["hosts"]),
        policies={ns: HostIndex((m["spec"]["host"].lower(), m) for m in rules) for ns, rules in by_namespace.items()},
    )


def _allow_any(manifests: Sequence[Manifest], workload: LocalWorkload) -> bool:
    """By the effective Sidecar, else Istio's default."""
    sidecar = effective_for([manifest for manifest in manifests if manifest["kind"] == "Sidecar"], workload)
    policy = sidecar and sidecar.get("spec", {}).get("outboundTrafficPolicy")
    # A policy without a mode is the enum's zero, REGISTRY_ONLY.
    return policy is None or policy.get("mode") == "ALLOW_ANY"


def _by_host(entries: Iterable[Manifest], namespace: str) -> dict[str, Service]:
    candidates: dict[str, list[Service]] = {}
    for service in (service for manifest in entries for service in _services(manifest)):
        candidates.setdefault(service.host, []).append(service)
    return {host: _winner(found, namespace) for host, found in candidates.items()}


def _winner(candidates: list[Service], namespace: str) -> Service:
    """The client's own namespace wins, else what is exported to it by name, else the oldest. Ports of other entries of
    that namespace are added; clusters are only built for those that merge with the first."""
    in_order = sorted(candidates, key=lambda service: service.is_public)
    own = [service for service in in_order if service.namespace == namespace]
    first = (own or in_order)[0]
    ports: dict[int, Port] = {}
    for service in in_order:
        if service.namespace == first.namespace:
            merges = service.merges_with(first)
            for port in service.ports:
                ports.setdefault(port.number, replace(port, has_cluster=merges))
    return replace(first, ports=tuple(ports.values()))


def _with_resolved_hosts(services: dict[str, Service], resolve: Iterable[HostOverride]) -> dict[str, Service]:
    known: dict[str, set[int]] = {}
    for item in resolve:
        known.setdefault(item.host, set()).add(item.port)
    wildcards = [service for service in services.values() if service.resolution == DYNAMIC_DNS]
    wildcards.sort(key=lambda service: -len(service.host))
    found = dict(services)
    for wildcard in wildcards:
        for host, numbers in known.items():
            ports = tuple(replace(p, target=p.number) for p in wildcard.ports if p.number in numbers)
            if ports and host not in found and covers(wildcard.host, host):
                found[host] = replace(wildcard, host=host, ports=ports, resolution="DNS", wildcard=wildcard.host)
    return found


def _services(manifest: Manifest) -> list[Service]:
    spec = manifest["spec"]
    return [
        Service(
            host=host,
            namespace=namespace_of(manifest),
            entry=manifest["metadata"]["name"],
            ports=tuple(_port(port) for port in spec.get("ports", ())),
            resolution=spec.get("resolution", "NONE"),
            addresses=tuple(spec.get("addresses", ())),
            endpoints=tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints", ())),
            export_to=frozenset(spec.get("exportTo", ())),
            labels=frozenset(manifest["metadata"].get("labels", {}).items()),
        )
        for host in spec["hosts"]
    ]


def _port(port: Manifest) -> Port:
    number = int(port["number"])
    return Port(
        number=number,
        name=port.get("name", ""),
        protocol=str(port["protocol"]).upper(),
        target=int(port.get("targetPort") or number),
    )


def _endpoint(endpoint: Manifest) -> RegistryEndpoint:
    return RegistryEndpoint(
        address=endpoint["address"],
        ports=dict(endpoint.get("ports", {})),
        weight=int(endpoint.get("weight") or 1),
    )


def is_ip(text: str) -> bool:
    """Whether the text is an IP address rather than a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
