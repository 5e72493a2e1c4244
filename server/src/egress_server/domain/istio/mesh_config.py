"""MeshConfig, as far as it decides what sidecars get.

Stored within inventories as JSON: a released field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """MeshConfig's defaults and restrictions. An empty default is Istio's own, which is `*`.

    `dns_capture`: sidecars answer DNS queries (ISTIO_META_DNS_CAPTURE in the default proxy metadata).
    `auto_allocate`: istiod allocates addresses for entries without any, which only sidecars with DNS capture use.
    `protocol_detection_timeout` is how long sidecars wait for the first bytes on ports whose protocol is not declared,
    in seconds; 0 means forever.
    """

    default_service_export_to: tuple[str, ...] = ()
    default_virtual_service_export_to: tuple[str, ...] = ()
    default_destination_rule_export_to: tuple[str, ...] = ()
    dns_capture: bool = False
    auto_allocate: bool = True
    private_namespaces: tuple[str, ...] = ()
    """Namespaces whose entries serviceEntryVisibility keeps to their own namespace."""
    hidden_namespaces: tuple[str, ...] = ()
    """Namespaces whose entries serviceEntryVisibility hides from all workloads."""
    protocol_detection_timeout: float = 0.0
