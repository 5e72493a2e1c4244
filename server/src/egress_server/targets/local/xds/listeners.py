"""Envoy listeners: how a connection is classified by its original destination and its first bytes.

The structure is Istio's: one listener accepts every connection and hands it to the one for its original address, or for
its port on any address; none of those is bound. Changing one does not affect connections of the others.

The dialer replaces iptables and sends the original destination by PROXY protocol. The *source* in that header is where
the upstream really listens: `--resolve` may name another port than the application dialled, and only the addresses
survive the hand-over between listeners (a listener filter's metadata does not).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from egress_server.targets.local.xds.clusters import cluster_name, dns_cache, fallback
from egress_server.targets.local.xds.registry import DYNAMIC_DNS, Port, PortKind, Registry, Service
from egress_server.targets.local.xds.routes import http_ports, unserved_by_mongo

Json = dict[str, Any]
IpNetwork = IPv4Network | IPv6Network

ENTRANCE = "virtualOutbound"
"""Istio's name of the listener that accepts every connection."""

_TYPE = "type.googleapis.com/envoy"
_ANY_ADDRESS = "0.0.0.0"


@dataclass(slots=True)
class _UnboundListener:
    """The filter chains of one unbound listener: an original address and port."""

    address: str
    port: int
    chains: list[Json] = field(default_factory=list)
    catch_all: str | None = None
    http: Json | None = None
    inspects_tls: bool = False


def listeners(registry: Registry, *, socket: str, routes_path: Callable[[str], str]) -> list[Json]:
    """All listeners. `socket` is the path of the bound one; `routes_path` returns a port's RDS file."""
    unbound = _unbound_listeners(registry)
    for port in http_ports(registry):
        listener = unbound.setdefault((_ANY_ADDRESS, port), _UnboundListener(_ANY_ADDRESS, port))
        listener.http = _http_chain(port, routes_path(str(port)))
    return [
        _entrance(socket, fallback(registry)),
        *(_render_unbound(unbound[key], fallback(registry)) for key in sorted(unbound)),
    ]


def _entrance(socket: str, cluster: str) -> Json:
    proxy_protocol = _filter("listener.proxy_protocol", "ProxyProtocol", {})
    return {
        **_listener(ENTRANCE),
        "address": {"pipe": {"path": socket, "mode": 0o600}},
        "use_original_dst": True,
        "listener_filters": [proxy_protocol],
        "filter_chains": [{"filters": _tcp_proxy(cluster)}],
    }


def _http_chain(port: int, routes_path: str) -> Json:
    """Takes what begins like a request; anything else on the port is classified as without it."""
    name = f"{_ANY_ADDRESS}_{port}"
    source = {"resource_api_version": "V3", "path_config_source": {"path": routes_path}}
    manager = {
        "stat_prefix": f"outbound_{name}",
        "rds": {"route_config_name": str(port), "config_source": source},
        # The fault filter only acts on routes that configure it: a fault never changes a listener.
        "http_filters": [_filter("http.fault", "HTTPFault", {}), _filter("http.router", "Router", {})],
        "normalize_path": True,
        "stream_idle_timeout": "0s",
        "tracing": {},  # no tracer, but it adds the x-envoy-decorator-operation header that upstreams of Istio see
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    connection_manager = _filter("network.http_connection_manager", "HttpConnectionManager", manager)
    match = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}
    return {"filter_chain_match": match, "filters": [_real_upstream(), connection_manager]}


def _unbound_listeners(registry: Registry) -> dict[tuple[str, int], _UnboundListener]:
    unbound: dict[tuple[str, int], _UnboundListener] = {}
    unserved = unserved_by_mongo(registry)
    for service in registry.services.values():
        for port in service.ports:
            if port.kind is PortKind.HTTP or (service.host, port.number) in unserved:
                continue
            for address, prefix in _destinations(service):
                listener = unbound.setdefault((address, port.number), _UnboundListener(address, port.number))
                _claim(listener, service, port, prefix)
    return unbound


def _destinations(service: Service) -> Iterator[tuple[str, IpNetwork | None]]:
    """The addresses to listen on, each with the range that the service's chain is restricted to, if any."""
    if not service.addresses:
        yield _ANY_ADDRESS, None
    for text in service.addresses:
        network = ip_network(text, strict=False)
        if network.prefixlen == network.max_prefixlen:
            yield str(network.network_address), None
        else:
            yield _ANY_ADDRESS, network


def _claim(listener: _UnboundListener, service: Service, port: Port, prefix: IpNetwork | None) -> None:
    """Adds the chain for the service's connections. What an older service has claimed stays with it."""
    cluster = cluster_name(service.host, port.number)
    match: Json = {}
    if prefix is not None:
        first = str(prefix.network_address)
        match["prefix_ranges"] = [{"address_prefix": first, "prefix_len": prefix.prefixlen}]
    if port.kind is PortKind.TLS and listener.address == _ANY_ADDRESS:  # a single address belongs to one service only
        listener.inspects_tls = True
        match["server_names"] = [service.host]
    if not match:
        listener.catch_all = listener.catch_all or cluster
    elif all(chain["filter_chain_match"] != match for chain in listener.chains):
        listener.chains.append(
            {"filter_chain_match": match, "filters": [*_lookup(service, port), *_tcp_proxy(cluster)]}
        )


def _lookup(service: Service, port: Port) -> list[Json]:
    """Resolves the server name that a client sends, if the service has no address of its own."""
    if service.resolution != DYNAMIC_DNS:
        return []
    config = {"dns_cache_config": dns_cache(service), "port_value": port.number}
    return [_filter("network.sni_dynamic_forward_proxy", "FilterConfig", config)]


def _render_unbound(listener: _UnboundListener, otherwise: str) -> Json:
    rendered = {
        **_unbound(listener.address, listener.port),
        "default_filter_chain": {"filters": _tcp_proxy(listener.catch_all or otherwise)},
    }
    if chains := [*([listener.http] if listener.http else []), *listener.chains]:
        rendered["filter_chains"] = chains
    # Only if needed: they wait for the client's first bytes, without limit, and a MySQL server speaks first.
    inspectors = []
    if listener.inspects_tls:
        inspectors.append(_filter("listener.tls_inspector", "TlsInspector", {}))
    if listener.http:
        inspectors.append(_filter("listener.http_inspector", "HttpInspector", {}))
    if inspectors:
        rendered["listener_filters"] = inspectors
        rendered["listener_filters_timeout"] = "0s"
        rendered["continue_on_listener_filters_timeout"] = True
    return rendered


def _unbound(address: str, port: int) -> Json:
    unbound = {
        **_listener(f"{address}_{port}"),
        "address": _socket_address(address, port),
        "bind_to_port": False,
    }
    if address == _ANY_ADDRESS:
        unbound["additional_addresses"] = [{"address": _socket_address("::", port)}]
    return unbound


def _socket_address(address: str, port: int) -> Json:
    return {"socket_address": {"address": str(ip_address(address)), "port_value": port}}


def _listener(name: str) -> Json:
    return {
        "@type": f"{_TYPE}.config.listener.v3.Listener",
        "name": name,
        "traffic_direction": "OUTBOUND",
    }


def _tcp_proxy(cluster: str) -> list[Json]:
    config = {"stat_prefix": cluster, "cluster": cluster}
    return [_real_upstream(), _filter("network.tcp_proxy", "TcpProxy", config)]


def _real_upstream() -> Json:
    """Makes ORIGINAL_DST clusters connect to the header's source address; others ignore it."""
    value = {
        "object_key": "envoy.network.transport_socket.original_dst_address",
        "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_REMOTE_ADDRESS%"}},
    }
    return _filter("network.set_filter_state", "Config", {"on_new_connection": [value]})


def _filter(extension: str, message: str, config: Json) -> Json:
    typed = {"@type": f"{_TYPE}.extensions.filters.{extension}.v3.{message}", **config}
    return {"name": f"envoy.filters.{extension}", "typed_config": typed}
