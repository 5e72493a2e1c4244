"""Envoy clusters of a registry: where connections go once a listener or a route has chosen.

Why it exists: one file for one xDS type. The names are Istio's, because evidence is read by them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egress_server.domain.resolve import Resolve
from egress_server.targets.local.registry import Endpoint, Kind, Port, Registry, Service, is_ip

Json = dict[str, Any]

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"

_CONNECT_TIMEOUT = "10s"  # Istio's default
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP2_PROTOCOLS = frozenset({"HTTP2", "GRPC", "GRPC-WEB"})
_DNS_TYPES = {"DNS": "STRICT_DNS", "DNS_ROUND_ROBIN": "LOGICAL_DNS"}

Known = Mapping[tuple[str, int], Sequence[tuple[str, int]]]
"""Host and port to the addresses and ports that stand in for them, instead of DNS."""


def cluster_name(host: str, port: int) -> str:
    """Istio's name of the cluster of a registered host and port."""
    return f"outbound|{port}||{host}"


def fallback(registry: Registry) -> str:
    """The cluster of connections that no registered service claims."""
    return PASSTHROUGH if registry.allow_any else BLACK_HOLE


def clusters(registry: Registry, resolve: Iterable[Resolve]) -> list[Json]:
    """All clusters, by name."""
    known: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for item in resolve:
        known.setdefault((item.host, item.port), []).append((item.address, item.port2))
    built = [_cluster(s, port, known) for s in registry.services for port in s.ports]
    return sorted([*built, _passthrough(), _black_hole()], key=lambda cluster: str(cluster["name"]))


def _passthrough() -> Json:
    options: Json = {"http_protocol_options": {}, "http2_protocol_options": {}}
    return {
        **_base(PASSTHROUGH),
        **_original_destination(),
        **_http_options({"use_downstream_protocol_config": options}),
    }


def _black_hole() -> Json:
    """No endpoint: the connection is accepted and cut."""
    return {**_base(BLACK_HOLE), "type": "STATIC"}


def _cluster(service: Service, port: Port, known: Known) -> Json:
    name = cluster_name(service.host, port.number)
    owner = {"host": service.host, "namespace": service.namespace, "name": service.entry}
    cluster = {
        **_base(name),
        "metadata": {"filter_metadata": {"istio": {"services": [owner]}}},
    }
    if port.kind is Kind.HTTP and port.protocol in _HTTP2_PROTOCOLS:
        cluster |= _http_options({"explicit_http_config": {"http2_protocol_options": {}}})
    if service.resolution == "NONE":
        return cluster | _original_destination()
    return cluster | _endpoints(name, service, port, known)


def _endpoints(name: str, service: Service, port: Port, known: Known) -> Json:
    by_dns = service.resolution in _DNS_TYPES
    given = service.endpoints
    if by_dns and not given:
        given = (Endpoint(address=service.host, ports={}, weight=1),)
    addresses = [
        (ip, number, endpoint.weight) for endpoint in given for ip, number in _addresses(endpoint, port, known)
    ]
    unknown = [address for address, _, _ in addresses if not is_ip(address)]
    placed: Json = {
        "type": _DNS_TYPES[service.resolution] if unknown else "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_lb_endpoint(*address) for address in addresses]}],
        },
    }
    if unknown:
        # Istio's defaults, but for the family: a laptop may have no IPv6 although DNS names one.
        placed |= {"respect_dns_ttl": True, "dns_refresh_rate": "60s", "dns_lookup_family": "V4_PREFERRED"}
    return placed


def _addresses(endpoint: Endpoint, port: Port, known: Known) -> Sequence[tuple[str, int]]:
    number = endpoint.ports.get(port.name, port.target)
    return known.get((endpoint.address.lower(), number)) or [(endpoint.address, number)]


def _lb_endpoint(address: str, port: int, weight: int) -> Json:
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}},
        "load_balancing_weight": weight,
    }


def _base(name: str) -> Json:
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "connect_timeout": _CONNECT_TIMEOUT,
    }


def _original_destination() -> Json:
    return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}


def _http_options(options: Json) -> Json:
    typed = {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **options}
    return {"typed_extension_protocol_options": {_HTTP_OPTIONS: typed}}
