"""Addresses that istiod allocates to the hosts of entries without any, as sidecars with DNS capture use them.

Such a host has listeners of its own, one per port, and captures no other connections (Istio 1.25 and later).
"""

from collections.abc import Iterator
from ipaddress import IPv4Network

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.listener_protocol import tcp_without_addresses
from egress_server.domain.lint.foreign_objects import first_clusters
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.resources import Resolution, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import ClusterSelector

ALLOCATED_RANGE = IPv4Network("240.240.0.0/16")
"""Istio's default (PILOT_IP_AUTOALLOCATE_IPV4_PREFIX)."""
_OPT_OUT = "networking.istio.io/enable-autoallocate-ip"


def allocating(snapshot: Snapshot, selector: ClusterSelector) -> list[Cluster]:
    """The clusters that `selector` matches on which sidecars capture DNS and istiod allocates addresses."""
    return [each for each in first_clusters(snapshot, selector) if _allocates(snapshot, each)]


def is_allocated(snapshot: Snapshot, entry: ServiceEntry) -> bool:
    """Whether the hosts of `entry` get addresses on all clusters that it applies to."""
    clusters = first_clusters(snapshot, entry.cluster_selector) if is_eligible(entry) else []
    return bool(clusters) and all(_allocates(snapshot, cluster) for cluster in clusters)


def is_eligible(entry: ServiceEntry) -> bool:
    """Whether istiod would allocate addresses for all hosts of `entry` (shouldV2AutoAllocateIPFromPieces)."""
    opted_out = entry.labels.get(_OPT_OUT, "").lower() == "false"
    wildcard = any(host.startswith("*") for host in entry.hosts)
    return not (entry.addresses or entry.resolution is Resolution.NONE or opted_out or wildcard)


def catch_all_ports(snapshot: Snapshot, entry: ServiceEntry) -> Iterator[tuple[int, ServicePort]]:
    """The ports of `entry` that capture every connection to their number, with their positions."""
    return iter(()) if is_allocated(snapshot, entry) else tcp_without_addresses(entry)


def _allocates(snapshot: Snapshot, cluster: Cluster) -> bool:
    inventory = snapshot.inventories.get(cluster.id)
    return inventory is not None and inventory.mesh.dns_capture and inventory.mesh.auto_allocate
