"""Envoy route configurations: which cluster an HTTP request goes to, one configuration a port.

Why it exists: one file for one xDS type. Route configurations are apart from listeners so that a
change of them cuts no connection and yet refuses the next request on a kept-alive one.
"""

from typing import Any

from egress_server.targets.local.clusters import PASSTHROUGH, cluster_name
from egress_server.targets.local.registry import Kind, Registry, Service

Json = dict[str, Any]

# Every real cluster has an in-mesh HTTP service on 80, which makes that port HTTP for all hosts.
_ALWAYS_HTTP = 80

# Istio's default of a route that sets none.
_RETRY_POLICY: Json = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled",
    "num_retries": 2,
}


def http_ports(registry: Registry) -> list[int]:
    """The ports whose connections are all read as HTTP. Of services that disagree on the protocol
    of a port, the oldest decides."""
    kinds: dict[int, bool] = {_ALWAYS_HTTP: True}
    for service in registry.services:
        for port in service.ports:
            kinds.setdefault(port.number, port.kind is Kind.HTTP)
    return sorted(number for number, http in kinds.items() if http)


def route_configurations(registry: Registry) -> dict[str, Json]:
    """The route configuration of each HTTP port, under its Istio name: the port."""
    return {str(port): _configuration(registry, port) for port in http_ports(registry)}


def _configuration(registry: Registry, port: int) -> Json:
    claimed: set[str] = set()
    hosts = [
        _virtual_host(service, port, claimed)
        for service in registry.services
        if any(p.number == port and p.kind is Kind.HTTP for p in service.ports)
    ]
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": str(port),
        "ignore_port_in_host_matching": True,
        "validate_clusters": False,
        "virtual_hosts": [
            *sorted(hosts, key=lambda host: str(host["name"])),
            _allow_any() if registry.allow_any else _block_all(),
        ],
    }


def _virtual_host(service: Service, port: int, claimed: set[str]) -> Json:
    """The route of a service's requests. Addresses in `claimed` belong to older services; ours are added."""
    authority = f"{service.host}:{port}"
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": f"{authority}/*"},
        "route": {
            "cluster": cluster_name(service.host, port),
            "timeout": "0s",
            "retry_policy": _RETRY_POLICY,
        },
    }
    addresses = {address for address in service.addresses if "/" not in address} - claimed
    claimed |= addresses
    return _host(authority, [service.host, *sorted(addresses)], route)


def _allow_any() -> Json:
    route = {"cluster": PASSTHROUGH, "timeout": "0s"}
    return _host("allow_any", ["*"], {"name": "allow_any", "match": {"prefix": "/"}, "route": route})


def _block_all() -> Json:
    response = {"status": 502}
    route = {"name": "block_all", "match": {"prefix": "/"}, "direct_response": response}
    return _host("block_all", ["*"], route)


def _host(name: str, domains: list[str], route: Json) -> Json:
    return {
        "name": name,
        "domains": domains,
        "include_request_attempt_count": True,
        "routes": [route],
    }
