"""Envoy route configurations: which cluster an HTTP request goes to, one configuration for each port.

They are separate from listeners, so that changing them cuts no connection and still affects the next request on a
kept-alive one.
"""

from collections.abc import Iterator
from typing import Any

from egress_server.targets.local.xds.clusters import PASSTHROUGH, cluster_name
from egress_server.targets.local.xds.registry import PortKind, Registry, Service
from egress_server.targets.local.xds.scoping import covers
from egress_server.targets.local.xds.virtual_service import NO_TIMEOUT, retry_policy, routes_of

Json = dict[str, Any]

# Every real cluster has an in-mesh HTTP service on 80, so requests on that port are routed by Host for all hosts.
_ALWAYS_HTTP = 80
_MONGO = "MONGO"


def http_ports(registry: Registry) -> list[int]:
    """The ports on which requests are routed by Host."""
    unserved = unserved_by_mongo(registry)
    http = {
        port.number
        for service in registry.services.values()
        for port in service.ports
        if port.kind is PortKind.HTTP and (service.host, port.number) not in unserved
    }
    return sorted(http | {_ALWAYS_HTTP})


def unserved_by_mongo(registry: Registry) -> set[tuple[str, int]]:
    """Hosts and ports that are not served: MONGO shares a listener with no other protocol, and the oldest service gets
    it. Only services that listen on single addresses are unaffected."""
    first: dict[int, bool] = {_ALWAYS_HTTP: False}
    unserved = set()
    for service in registry.services.values():
        shares = not service.addresses or any("/" in address for address in service.addresses)
        for port in service.ports:
            if shares or port.kind is PortKind.HTTP:
                is_mongo = port.protocol == _MONGO
                if is_mongo != first.setdefault(port.number, is_mongo):
                    unserved.add((service.host, port.number))
    return unserved


def route_configurations(registry: Registry) -> dict[str, Json]:
    """The route configuration of each HTTP port, by its Istio name: the port."""
    return {str(port): _configuration(registry, port) for port in http_ports(registry)}


def _configuration(registry: Registry, port: int) -> Json:
    claimed: set[str] = set()
    unserved = unserved_by_mongo(registry)
    hosts = [
        _virtual_host(service, port, registry, claimed)
        for service in registry.services.values()
        if any(p.number == port and p.kind is PortKind.HTTP for p in service.ports)
        and (service.host, port) not in unserved
    ]
    if port == _ALWAYS_HTTP:
        hosts += _unregistered_hosts(registry)
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


def _virtual_host(service: Service, port: int, registry: Registry, claimed: set[str]) -> Json:
    """The routes of a service's requests. Addresses in `claimed` belong to older services; this service's are added."""
    found = (routes_of(owner, registry, port, service) for owner in registry.routing.ranked(service.host))
    routes = next(filter(None, found), [_default_route(service, port)])
    addresses = {address for address in service.addresses if "/" not in address} - claimed
    claimed |= addresses
    return _host(f"{service.host}:{port}", [service.host, *sorted(addresses)], routes)


def _unregistered_hosts(registry: Registry) -> Iterator[Json]:
    """On this one port, VirtualServices route even hosts that are not registered, to clusters that don't exist."""
    seen: set[str] = set()
    for virtual_service in registry.virtual_services:
        for host in (name.lower() for name in virtual_service["spec"]["hosts"]):
            if host in seen or _registered(host, registry):
                continue
            if routes := routes_of(virtual_service, registry, _ALWAYS_HTTP, None):
                seen.add(host)
                yield _host(f"{host}:{_ALWAYS_HTTP}", [host], routes)


def _registered(host: str, registry: Registry) -> bool:
    on_port = [
        name for name, service in registry.services.items() if any(p.number == _ALWAYS_HTTP for p in service.ports)
    ]
    by_wildcard = host.startswith("*") and any(covers(host, known) for known in on_port)
    return by_wildcard or host in on_port


def _default_route(service: Service, port: int) -> Json:
    action = {"cluster": cluster_name(service.host, port), "timeout": NO_TIMEOUT, **retry_policy(None)}
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": f"{service.host}:{port}/*"},
        "route": action,
    }


def _allow_any() -> Json:
    route = {"cluster": PASSTHROUGH, "timeout": NO_TIMEOUT}
    return _host("allow_any", ["*"], [{"name": "allow_any", "match": {"prefix": "/"}, "route": route}])


def _block_all() -> Json:
    response = {"status": 502}
    return _host("block_all", ["*"], [{"name": "block_all", "match": {"prefix": "/"}, "direct_response": response}])


def _host(name: str, domains: list[str], routes: list[Json]) -> Json:
    return {
        "name": name,
        "domains": domains,
        "include_request_attempt_count": True,
        "routes": routes,
    }
