"""For whom a VirtualService decides, as Istio sees it."""

from collections.abc import Mapping
from typing import Any

from egress_server.targets.kubernetes.informer.objects import CachedObject

_MESH = "mesh"


def heeded(spec: Mapping[str, Any]) -> bool:
    """Whether sidecars heed it, and not only gateways."""
    gateways = spec.get("gateways") or ()
    return not gateways or _MESH in gateways


def visible(other: CachedObject, namespace: str) -> bool:
    """Whether workloads of `namespace` see it."""
    to = other.content.get("exportTo") or ("*",)
    return "*" in to or namespace in to or ("." in to and other.key.namespace == namespace)


def full_hosts(other: CachedObject) -> frozenset[str]:
    """Its hosts in full."""
    return frozenset(full_host(host, other.key.namespace) for host in other.content.get("hosts") or ())


def full_host(host: str, namespace: str) -> str:
    """A name without a dot is a Service of the same namespace."""
    return host.lower() if "." in host or "*" in host else f"{host}.{namespace}.svc.cluster.local"
