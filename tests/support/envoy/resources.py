"""Envoy resources as istiod writes them, in proto3 JSON, shortened to what decides."""

from collections.abc import Mapping, Sequence
from typing import Any

from egress_server.domain.live.config import SidecarConfig, sidecar_config

Json = dict[str, Any]
_TYPE = "type.googleapis.com/envoy"


def network_filter(kind: str, message: str, config: Mapping[str, Any]) -> Json:
    """A network filter of this kind, such as `tcp_proxy`."""
    typed = {"@type": f"{_TYPE}.extensions.filters.network.{kind}.v3.{message}", **config}
    return {"name": f"envoy.filters.network.{kind}", "typed_config": typed}


def http_filter(kind: str, message: str) -> Json:
    """An HTTP filter of this kind, without configuration."""
    typed = {"@type": f"{_TYPE}.extensions.filters.http.{kind}.v3.{message}"}
    return {"name": f"envoy.filters.http.{kind}", "typed_config": typed}


def tcp_proxy(cluster: str) -> Json:
    """Sends connections to a cluster."""
    return network_filter("tcp_proxy", "TcpProxy", {"stat_prefix": cluster, "cluster": cluster})


def connection_manager(routes: str | Json, **more: Any) -> Json:
    """Reads HTTP; `routes` are the name of a route configuration or an inline one."""
    source: Json = {"route_config": routes}
    if isinstance(routes, str):
        source = {"rds": {"route_config_name": routes, "config_source": {"ads": {}, "resource_api_version": "V3"}}}
    config = {
        "stat_prefix": "outbound",
        **source,
        "http_filters": [http_filter("fault", "HTTPFault"), http_filter("router", "Router")],
        **more,
    }
    return network_filter("http_connection_manager", "HttpConnectionManager", config)


def chain(*filters: Json, name: str = "", **match: Any) -> Json:
    """A filter chain with this match."""
    return {"name": name, "filters": list(filters), **({"filter_chain_match": match} if match else {})}


HTTP_MATCH: Json = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}


def inspector(kind: str) -> Json:
    """The listener filter `tls` or `http`."""
    message = {"tls": "TlsInspector", "http": "HttpInspector"}[kind]
    typed = {"@type": f"{_TYPE}.extensions.filters.listener.{kind}_inspector.v3.{message}"}
    return {"name": f"envoy.filters.listener.{kind}_inspector", "typed_config": typed}


def entrance(*chains: Json, **more: Any) -> Json:
    """The listener that receives every connection; without chains, unregistered ones pass."""
    return {
        "name": "virtualOutbound",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}},
        "use_original_dst": True,
        "traffic_direction": "OUTBOUND",
        "filter_chains": list(chains) or [chain(tcp_proxy("PassthroughCluster"))],
        **more,
    }


def listener(
    address: str, port: int, *chains: Json, inspect: Sequence[str] = (), default: Json | None = None, **more: Any
) -> Json:
    """A listener for connections to there, with these inspectors."""
    written = {
        "name": f"{address}_{port}",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
        "filter_chains": list(chains),
        **more,
    }
    if inspect:
        written["listener_filters"] = [inspector(kind) for kind in inspect]
        written.setdefault("listener_filters_timeout", "0s")
        written.setdefault("continue_on_listener_filters_timeout", True)
    if default:
        written["default_filter_chain"] = default
    return written


def http_listener(port: int, routes: str | Json = "", *, default: str = "PassthroughCluster", **more: Any) -> Json:
    """The listener of an HTTP port: requests are routed, and all else goes to the cluster `default`."""
    manager = connection_manager(routes or str(port), **more)
    return listener(
        "0.0.0.0",
        port,
        chain(manager, **HTTP_MATCH),
        inspect=["http"],
        default=chain(tcp_proxy(default)),
        additional_addresses=[{"address": {"socket_address": {"address": "::", "port_value": port}}}],
    )


def route(cluster: str = "", *, owner: str = "", match: Json | None = None, **more: Any) -> Json:
    """A route to a cluster, or whatever `more` says; `owner` is the VirtualService, NAMESPACE/NAME."""
    written: Json = {"match": match or {"prefix": "/"}, **more}
    if cluster:
        written["route"] = {"cluster": cluster, **written.get("route", {})}
    if owner:
        namespace, _, name = owner.partition("/")
        config = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{name}"
        written["metadata"] = {"filter_metadata": {"istio": {"config": config}}}
    return written


def route_table(name: str, hosts: Mapping[str, Sequence[Json]]) -> Json:
    """A route configuration with one virtual host for each domain."""
    virtual_hosts = [{"name": host, "domains": [host], "routes": list(routes)} for host, routes in hosts.items()]
    return {"name": name, "virtual_hosts": virtual_hosts, "ignore_port_in_host_matching": True}


def fault(**config: Any) -> Json:
    """The part of a route that injects a fault."""
    typed = {"@type": f"{_TYPE}.extensions.filters.http.fault.v3.HTTPFault", **config}
    return {"typed_per_filter_config": {"envoy.filters.http.fault": typed}}


def percent(value: float) -> Json:
    """A percentage, as istiod writes it."""
    return {"numerator": round(value * 10_000), "denominator": "MILLION"}


def cluster(name: str, *addresses: str, **more: Any) -> Json:
    """A cluster with these endpoints, ADDRESS:PORT; of the type ORIGINAL_DST if there are none and no other type is
    given."""
    if not addresses and "type" not in more:
        return {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", **more}
    return {"name": name, "type": "STATIC", "load_assignment": assignment(name, *addresses), **more}


def assignment(name: str, *addresses: str) -> Json:
    """The endpoints of a cluster, ADDRESS:PORT."""
    endpoints = []
    for each in addresses:
        address, _, port = each.rpartition(":")
        socket_address = {"address": address.strip("[]"), "port_value": int(port)}
        endpoints.append({"endpoint": {"address": {"socket_address": socket_address}}})
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []}


PASSTHROUGH = cluster("PassthroughCluster")
BLACK_HOLE = cluster("BlackHoleCluster", type="STATIC")


def config_of(
    *listeners: Json, routes: Sequence[Json] = (), clusters: Sequence[Json] = (), endpoints: Sequence[Json] = ()
) -> SidecarConfig:
    """A sidecar's configuration; without an entrance among the listeners, one that lets unregistered traffic pass."""
    has_entrance = any(each.get("use_original_dst") for each in listeners)
    return sidecar_config(
        listeners if has_entrance else (entrance(), *listeners),
        routes,
        (PASSTHROUGH, BLACK_HOLE, *clusters),
        endpoints,
    )
