"""Services and the workloads behind them, for the inventory: what Istio's registry has besides ServiceEntries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from egress_server.domain.istio.manifest import CLUSTER_DOMAIN
from egress_server.domain.model.resources import Protocol, ServicePort
from egress_server.domain.observed.inventory import MAX_ENDPOINTS, KnownService
from egress_server.formats.service_entry import protocol_named, read_port
from egress_server.targets.kubernetes.informer.endpoint_slices import SERVICE_NAME
from egress_server.targets.kubernetes.informer.objects import CachedObject

_EXPORT_TO = "networking.istio.io/exportTo"
_NO_ADDRESS = "None"
_EXTERNAL_NAME = "ExternalName"
_UDP = "UDP"
_GRPC_WEB = "grpc-web"
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
_NEVER_DETECTED = frozenset({25, 53, 3306, 27017})
"""Ports of protocols whose server speaks first: Istio takes them for TCP."""


@dataclass(frozen=True, slots=True)
class OtherObjects:
    """What is watched of Services, their workloads and what is not evaluated, by kind; None if we may not watch it."""

    services: Iterable[CachedObject] = ()
    endpoint_slices: Iterable[CachedObject] | None = None
    workload_entries: Iterable[CachedObject] | None = None
    unevaluated: Mapping[str, Iterable[CachedObject]] = field(default_factory=dict)


def known_services(objects: OtherObjects, ignored_namespaces: frozenset[str]) -> list[KnownService]:
    """The Services that istiod reads, oldest first."""
    addresses: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    for found in objects.endpoint_slices or ():
        for is_ready, its in found.content.items():
            addresses[found.key.namespace, found.labels.get(SERVICE_NAME, ""), is_ready].update(its)
    services = (found for found in objects.services if found.key.namespace not in ignored_namespaces)
    return [
        service_of(found, None if objects.endpoint_slices is None else addresses)
        for found in sorted(services, key=lambda found: found.age)
    ]


def service_of(found: CachedObject, addresses: Mapping[tuple[str, str, bool], Collection[str]] | None) -> KnownService:
    """A Service, with the addresses that serve it if they are known, and not too many: `addresses` are by namespace,
    Service and readiness. A headless one listens at those that are not ready as well."""
    spec = found.content
    external_name = spec.get("externalName", "") if spec.get("type") == _EXTERNAL_NAME else ""
    cluster_ips = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    cluster_ips = [address for address in cluster_ips if address and address != _NO_ADDRESS]
    export_to = found.annotations.get(_EXPORT_TO, "")
    serving: set[str] = set()
    for is_ready in (True,) if cluster_ips else (True, False):
        serving.update((addresses or {}).get((found.key.namespace, found.key.name, is_ready), ()))
    return KnownService(
        namespace=found.key.namespace,
        name=found.key.name,
        host=service_host(found.key.namespace, found.key.name),
        ports=tuple(_ports(spec)),
        addresses=tuple(cluster_ips),
        export_to=tuple(to.strip() for to in export_to.split(",") if to.strip()),
        create_time=found.create_time,
        external_name=external_name,
        endpoint_addresses=tuple(sorted(serving)) if addresses is not None and len(serving) <= MAX_ENDPOINTS else None,
    )


def service_host(namespace: str, name: str) -> str:
    """The host of a Service in Istio's registry."""
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def _ports(spec: Mapping[str, Any]) -> Iterator[ServicePort]:
    for port in spec.get("ports") or ():
        yield read_port(port, protocol_of(port))


def protocol_of(port: Mapping[str, Any]) -> Protocol:
    """The protocol that Istio assumes for a Service's port: its appProtocol, else the prefix of its name; sidecars
    detect it if neither is known."""
    if port.get("protocol") == _UDP:
        return Protocol.UDP
    app_protocol = port.get("appProtocol")
    if app_protocol in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[app_protocol]
    name = str(port.get("name") or "") if app_protocol is None else app_protocol
    if name.lower().startswith(_GRPC_WEB):
        return Protocol.GRPC_WEB
    found = protocol_named(name.partition("-")[0])
    return Protocol.TCP if found is Protocol.DETECTED and port.get("port") in _NEVER_DETECTED else found
