"""Istio's Sidecar, as far as it decides what a workload sees.

Stored within inventories as JSON: a released field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EgressListener:
    """Istio's IstioEgressListener. `port` 0 means all ports that no other listener declares. `hosts` are
    NAMESPACE/HOST, with `~` in front of a namespace for an exclusion."""

    hosts: tuple[str, ...]
    port: int = 0
    protocol: str = ""
    bind: str = ""
    capture_mode: str = ""


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """Where a Sidecar's outboundTrafficPolicy.egressProxy sends connections to unregistered destinations."""

    host: str
    port: int
    subset: str = ""
