"""Istio objects as plain dicts, and the metadata that every managed object carries."""

from dataclasses import dataclass
from typing import Any

from egress_server.domain.model.clusters import Cluster, kubernetes_settings

IstioObject = dict[str, Any]

MANAGED_BY = {"app.kubernetes.io/managed-by": "mesh-egress"}
OWN_PREFIX = "egress.mesh/"
"""Prefix of the annotations that only mesh-egress sets."""
RESOURCE_ANNOTATION = f"{OWN_PREFIX}resource"
FAULT_EXPIRY_ANNOTATION = f"{OWN_PREFIX}fault-expiry"
"""When each fault route of a VirtualService expires: a JSON map of route name to RFC 3339 time."""
ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """The identity of an object on a cluster."""

    kind: str
    namespace: str
    name: str


def root_namespace(cluster: Cluster) -> str:
    """Istio's root namespace on a cluster, whose configuration applies to the whole mesh."""
    return kubernetes_settings(cluster).root_namespace


def key_of(obj: IstioObject) -> ObjectKey:
    """The object's identity."""
    return ObjectKey(obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])


def resource_of(obj: IstioObject) -> str:
    """The name of the resource that the object was rendered from."""
    name: str = obj["metadata"]["annotations"][RESOURCE_ANNOTATION]
    return name


def istio_object(kind: str, namespace: str, name: str, resource: str, spec: dict[str, Any]) -> IstioObject:
    """A networking.istio.io/v1 object marked as managed by mesh-egress."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(MANAGED_BY),
            "annotations": {RESOURCE_ANNOTATION: resource},
        },
        "spec": spec,
    }


def duration(seconds: float) -> str:
    """A protobuf duration such as 5s or 0.25s, rounded to milliseconds but never to 0."""
    return f"{max(seconds, 0.001):.3f}".rstrip("0").rstrip(".") + "s"
