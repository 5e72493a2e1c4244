"""Istio's names of Envoy clusters: which service one belongs to, and which destinations it may serve."""

from egress_server.domain.model.names import matches_host
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Upstream

PASSTHROUGH_CLUSTER = "PassthroughCluster"
DYNAMIC_DNS_CLUSTER = "AllowAnyDynamicDNSCluster"
"""Where mode ALLOW_ANY_DYNAMIC_DNS sends unregistered requests; the sidecar resolves their host itself."""
UNREGISTERED_CLUSTERS = frozenset({PASSTHROUGH_CLUSTER, DYNAMIC_DNS_CLUSTER})


def upstream_of(cluster: str) -> Upstream | None:
    """The service in the name of an outbound cluster, direction|port|subset|host; None for any other name."""
    match cluster.split("|"):
        case ["outbound", port, subset, host] if port.isdecimal():
            return Upstream(host, int(port), subset)
    return None


def serves(cluster: str, destination: Destination) -> bool:
    """Whether a cluster belongs to a registered service for `destination`."""
    upstream = upstream_of(cluster)
    return shares_port(cluster, destination) and bool(
        upstream and matches_host(upstream.host, destination.host.rstrip("."))
    )


def shares_port(cluster: str, destination: Destination) -> bool:
    """Whether a cluster belongs to a registered service with the same port: a TCP service without addresses captures
    every connection to its port, whatever the host."""
    upstream = upstream_of(cluster)
    return upstream is not None and upstream.port == destination.port
