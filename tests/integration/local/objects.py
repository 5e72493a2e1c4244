"""Istio objects for the tests, and how they get onto a cluster."""

import json
from datetime import datetime
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, istio_object, key_of
from egress_server.ports.target import Applied, Witness
from egress_server.targets.local.target import LocalEnvoyTarget

ALIYUN_PORTS = [
    {"number": 80, "name": "http", "protocol": "HTTP"},
    {"number": 443, "name": "https", "protocol": "HTTPS"},
]


def mesh_policy(mode: str) -> IstioObject:
    """The mesh's outbound policy."""
    return istio_object(
        "Sidecar",
        "istio-system",
        "default",
        "meshes/default/outboundPolicies/default",
        {"outboundTrafficPolicy": {"mode": mode}},
    )


def entry(name: str, namespace: str = "default", **spec: Any) -> IstioObject:
    """A ServiceEntry; unless said, the one of the document."""
    whole = {
        "hosts": ["www.aliyun.com"],
        "ports": ALIYUN_PORTS,
        "resolution": "DNS",
        "location": "MESH_EXTERNAL",
        **spec,
    }
    resource = f"meshes/default/namespaces/{namespace}/serviceEntries/{name}"
    return istio_object("ServiceEntry", namespace, name, resource, whole)


def tcp_entry(name: str, number: int, real_port: int) -> IstioObject:
    """A TCP service on loopback."""
    return entry(
        name,
        hosts=[f"{name}.example.com"],
        ports=[{"number": number, "name": "tcp", "protocol": "TCP"}],
        resolution="STATIC",
        endpoints=[{"address": "127.0.0.1", "ports": {"tcp": real_port}}],
    )


def http_entry(name: str, *real_ports: int, **spec: Any) -> IstioObject:
    """An HTTP service NAME.example.com on port 80, served at loopback ports."""
    endpoints = [{"address": "127.0.0.1", "ports": {"http": real_port}} for real_port in real_ports]
    whole = {"ports": ALIYUN_PORTS[:1], "resolution": "STATIC", "endpoints": endpoints, **spec}
    return entry(name, hosts=[f"{name}.example.com"], **whole)


def to(host: str, weight: int = 0, port: int = 0) -> dict[str, Any]:
    """A destination of a route."""
    where: dict[str, Any] = {"host": host, **({"port": {"number": port}} if port else {})}
    return {"destination": where, **({"weight": weight} if weight else {})}


def delay(fixed: str, percent: float = 100.0) -> dict[str, Any]:
    """A fault that delays."""
    return {"delay": {"percentage": {"value": percent}, "fixedDelay": fixed}}


def abort(status: int, percent: float = 100.0) -> dict[str, Any]:
    """A fault that aborts."""
    return {"abort": {"percentage": {"value": percent}, "httpStatus": status}}


def virtual_service(
    host: str, *routes: dict[str, Any], fallback: bool = True, namespace: str = "default"
) -> IstioObject:
    """The host's routes, each to the host itself unless it says where; then, if wished, one for all other requests."""
    http = [{"route": [to(host)], **route} for route in routes]
    if fallback:
        http.append({"name": "fallback", "route": [to(host)]})
    resource = f"meshes/default/namespaces/{namespace}/serviceEntries/x"
    return istio_object("VirtualService", namespace, f"egress-{host}", resource, {"hosts": [host], "http": http})


def destination_rule(host: str, **policy: Any) -> IstioObject:
    """The host's traffic policy."""
    resource = "meshes/default/namespaces/default/serviceEntries/x"
    spec = {"host": host, "trafficPolicy": policy}
    return istio_object("DestinationRule", "default", f"egress-{host}", resource, spec)


def ending(obj: IstioObject, **ends: datetime) -> IstioObject:
    """The VirtualService with the moments at which its routes, by name, end as faults do."""
    texts = {route.replace("_", "-"): end.isoformat() for route, end in ends.items()}
    obj["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION] = json.dumps(texts)
    return obj


async def apply(target: LocalEnvoyTarget, *objects: IstioObject, revision: int = 1) -> Applied:
    """Make these objects the only ones."""
    live = await target.gather()
    kept = {key_of(item) for item in objects}
    return await target.apply(
        upsert=objects,
        delete=[key for key in live.objects if key not in kept],
        witness=Witness(epoch="e", revision=revision, digest=f"d{revision}", fence=1),
    )
