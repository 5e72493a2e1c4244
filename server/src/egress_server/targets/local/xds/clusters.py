"""Envoy clusters of a registry: where connections go once a listener or a route has chosen. The names are Istio's,
since evidence is read by them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.config.host_overrides import HostOverride
from egress_server.targets.local.xds.destination_rule import (
    http_options,
    limits,
    outlier_detection,
    policy_for,
    protocol_options,
    transport_socket,
)
from egress_server.targets.local.xds.registry import (
    DYNAMIC_DNS,
    Port,
    PortKind,
    Registry,
    RegistryEndpoint,
    Service,
    is_ip,
)

Json = dict[str, Any]

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"

_HTTP2_PROTOCOLS = frozenset({"HTTP2", "GRPC", "GRPC-WEB"})
_DNS_TYPES = {"DNS": "STRICT_DNS", "DNS_ROUND_ROBIN": "LOGICAL_DNS"}
# A laptop may have no IPv6 although DNS returns an IPv6 address.
_FAMILY = {"dns_lookup_family": "V4_PREFERRED"}
_FORWARD_PROXY = "envoy.clusters.dynamic_forward_proxy"

Known = Mapping[tuple[str, int], Sequence[tuple[str, int]]]
"""Host and port to the addresses and ports to use instead of DNS."""


def cluster_name(host: str, port: int) -> str:
    """Istio's name of the cluster of a registered host and port."""
    return f"outbound|{port}||{host}"


def fallback(registry: Registry) -> str:
    """The cluster of connections that no registered service claims."""
    return PASSTHROUGH if registry.allow_any else BLACK_HOLE


def dns_cache(service: Service) -> Json:
    """The names that Envoy resolves on demand; everything that shares the cache must define it identically."""
    return {"name": f"{service.host}_dfp_dns_cache", **_FAMILY}


def clusters(registry: Registry, resolve: Iterable[HostOverride], trust: str | None) -> list[Json]:
    """All clusters, by name. `trust` is the path of the CA certificates for TLS to services."""
    known: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for item in resolve:
        known.setdefault((item.host, item.port), []).append((item.address, item.port2))
    built = [
        _cluster(registry, service, port, known, trust)
        for service in registry.services.values()
        for port in service.ports
        if port.has_cluster
    ]
    return sorted([*built, _passthrough(), _black_hole()], key=lambda cluster: str(cluster["name"]))


def _passthrough() -> Json:
    options: Json = {"http_protocol_options": {}, "http2_protocol_options": {}}
    return {
        **_base(PASSTHROUGH),
        **limits({}),
        **_original_destination(),
        **protocol_options({"use_downstream_protocol_config": options}),
    }


def _black_hole() -> Json:
    """Has no endpoint: the connection is accepted and closed."""
    return {**_base(BLACK_HOLE), "type": "STATIC"}


def _cluster(registry: Registry, service: Service, port: Port, known: Known, trust: str | None) -> Json:
    name = cluster_name(service.host, port.number)
    owner = {"host": service.host, "namespace": service.namespace, "name": service.entry}
    config, policy = policy_for(registry, service, port)
    http2 = port.kind is PortKind.HTTP and port.protocol in _HTTP2_PROTOCOLS
    return {
        **_base(name),
        "metadata": {"filter_metadata": {"istio": {**config, "services": [owner]}}},
        **limits(policy),
        **outlier_detection(policy),
        **http_options(policy, http2=http2),
        **transport_socket(policy, http2=http2, trust=trust),
        **_placement(name, service, port, known),
    }


def _placement(name: str, service: Service, port: Port, known: Known) -> Json:
    """Where the addresses come from, and how one is picked."""
    if service.resolution == "NONE":
        return _original_destination(0 if port.target == port.number else port.target)
    if service.resolution == DYNAMIC_DNS:
        return _by_request(service)
    return {"lb_policy": "LEAST_REQUEST", **_endpoints(name, service, port, known)}


def _by_request(service: Service) -> Json:
    config = {
        "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        "dns_cache_config": dns_cache(service),
        # Envoy insists on this acknowledgement if there is no TLS, and so no name to verify.
        "allow_insecure_cluster_options": True,
    }
    return {"lb_policy": "CLUSTER_PROVIDED", "cluster_type": {"name": _FORWARD_PROXY, "typed_config": config}}


def _endpoints(name: str, service: Service, port: Port, known: Known) -> Json:
    by_dns = service.resolution in _DNS_TYPES
    endpoints = service.endpoints
    if by_dns and not endpoints:
        endpoints = (RegistryEndpoint(address=service.host, ports={}, weight=1),)
    addresses = [
        (ip, number, endpoint.weight) for endpoint in endpoints for ip, number in _addresses(endpoint, port, known)
    ]
    names = [address for address, _, _ in addresses if not is_ip(address)]
    placement: Json = {
        "type": _DNS_TYPES[service.resolution] if names else "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_lb_endpoint(*address) for address in addresses]}],
        },
    }
    if names:
        # Istio's defaults, except for the family.
        placement |= {"respect_dns_ttl": True, "dns_refresh_rate": "60s", **_FAMILY}
    return placement


def _addresses(endpoint: RegistryEndpoint, port: Port, known: Known) -> Sequence[tuple[str, int]]:
    number = endpoint.ports.get(port.name, port.target)
    return known.get((endpoint.address.lower(), number)) or [(endpoint.address, number)]


def _lb_endpoint(address: str, port: int, weight: int) -> Json:
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}},
        "load_balancing_weight": weight,
    }


def _base(name: str) -> Json:
    return {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name}


def _original_destination(port: int = 0) -> Json:
    """The address that was dialed; at another `port` if one is given."""
    override = {"original_dst_lb_config": {"upstream_port_override": port}} if port else {}
    return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", **override}
