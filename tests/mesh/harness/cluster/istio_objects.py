"""Builders of Istio's objects, short enough for a test."""

import json
import time
from typing import Any

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import eventually

Object = dict[str, Any]


def apply(mesh: Mesh, *objects: Object) -> None:
    """`kubectl apply` of all at once. Those that are to have an order of age have names in that order: Kubernetes
    tells age by the second, and of equals Istio goes by name. It has no order for entries of one namespace and host:
    see `next_second`."""
    mesh.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def next_second() -> None:
    """Waits until what is made is younger than everything so far, as Kubernetes counts age. istiod takes entries of
    one namespace, host and second in any order, which may change at each push (model.SortServicesByCreationTime)."""
    so_far = int(time.time())
    eventually(lambda: int(time.time()) > so_far, "the next second")


def delete(mesh: Mesh, *objects: Object) -> None:
    """`kubectl delete`."""
    for each in objects:
        meta = each["metadata"]
        mesh.kubectl("delete", each["kind"], meta["name"], "-n", meta["namespace"], "--wait=false")


def entry(
    name: str,
    host: str,
    *ports: str,
    namespace: str = "default",
    at: str = "",
    resolution: str = "",
    addresses: tuple[str, ...] = (),
    export_to: tuple[str, ...] = (),
) -> Object:
    """A ServiceEntry; ports are written 80:HTTP. `at` is the one address it is served from; without it, by DNS."""
    spec: Object = {
        "hosts": [host],
        "ports": [_port(text) for text in ports or ("80:HTTP", "443:TLS")],
        "location": "MESH_EXTERNAL",
        "resolution": resolution or ("STATIC" if at else "DNS"),
    }
    if at:
        spec["endpoints"] = [{"address": at}]
    if addresses:
        spec["addresses"] = list(addresses)
    if export_to:
        spec["exportTo"] = list(export_to)
    return _istio("ServiceEntry", namespace, name, spec)


def labelled(obj: Object, labels: dict[str, str]) -> Object:
    """The object with these labels."""
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def virtual_service(name: str, host: str, *http: Object, namespace: str = "default", **spec: Any) -> Object:
    """A VirtualService with these routes, which go to the host itself unless they set a destination."""
    routes = [{"route": [{"destination": {"host": host}}], **route} for route in http]
    return _istio("VirtualService", namespace, name, {"hosts": [host], "http": routes, **spec})


def destination_rule(name: str, host: str, policy: Object, namespace: str = "default") -> Object:
    """A DestinationRule with this traffic policy."""
    return _istio("DestinationRule", namespace, name, {"host": host, "trafficPolicy": policy})


def delay(seconds: float) -> Object:
    """The fault of a route: all requests wait."""
    return {"delay": {"percentage": {"value": 100}, "fixedDelay": f"{seconds:g}s"}}


def abort(**status: Any) -> Object:
    """The fault of a route: all requests get this answer."""
    return {"abort": {"percentage": {"value": 100}, **status}}


def sidecar(name: str, *egress_hosts: str, mode: str = "", namespace: str = "default") -> Object:
    """A Sidecar for a whole namespace."""
    spec: Object = {}
    if egress_hosts:
        spec["egress"] = [{"hosts": list(egress_hosts)}]
    if mode:
        spec["outboundTrafficPolicy"] = {"mode": mode}
    return _istio("Sidecar", namespace, name, spec)


def answering_filter(name: str, status: int, namespace: str = "istio-system") -> Object:
    """An EnvoyFilter by which sidecars answer all outbound requests themselves."""
    lua = f"function envoy_on_request(h) h:respond({{[':status'] = '{status}'}}, '') end"
    filter_type = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    config = {"@type": filter_type, "default_source_code": {"inline_string": lua}}
    manager = {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_OUTBOUND", "listener": manager},
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": {"name": "envoy.filters.http.lua", "typed_config": config},
        },
    }
    made = _istio("EnvoyFilter", namespace, name, {"configPatches": [patch]})
    return {**made, "apiVersion": "networking.istio.io/v1alpha3"}


def service(name: str, *ports: str, namespace: str = "shop", headless: bool = True, at: str = "") -> list[Object]:
    """A Service; ports are written NAME:NUMBER. `at` is the one address behind it, on the same ports."""
    numbers = [(text.partition(":")[0], int(text.partition(":")[2])) for text in ports]
    spec: Object = {"ports": [{"name": called, "port": number} for called, number in numbers]}
    if headless:
        spec["clusterIP"] = "None"
    meta = {"name": name, "namespace": namespace}
    made: list[Object] = [{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}]
    if at:
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [at], "conditions": {"ready": True}}],
                "ports": [{"name": called, "port": number, "protocol": "TCP"} for called, number in numbers],
            }
        )
    return made


def _port(text: str) -> Object:
    number, _, protocol = text.partition(":")
    return {"number": int(number), "name": f"{protocol.lower() or 'port'}-{number}", "protocol": protocol}


def _istio(kind: str, namespace: str, name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}
