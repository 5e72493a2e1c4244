"""Istio objects for the tests, and how they get onto a cluster."""

from typing import Any

from egress_server.domain.render.objects import IstioObject, istio_object, key_of
from egress_server.ports.target import Applied, Witness
from egress_server.targets.local.target import LocalTarget

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


async def apply(target: LocalTarget, *objects: IstioObject, revision: int = 1) -> Applied:
    """Make these objects the only ones."""
    live = await target.gather()
    kept = {key_of(item) for item in objects}
    return await target.apply(
        upsert=objects,
        delete=[key for key in live.objects if key not in kept],
        witness=Witness(epoch="e", revision=revision, digest=f"d{revision}", fence=1),
    )
