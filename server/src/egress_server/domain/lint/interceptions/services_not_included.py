"""EGR0402: include ranges without the services of the mesh.

With include ranges, only these go through the sidecar. If a cluster's own service ranges are not among them, calls
between services of the mesh bypass it: no mutual TLS, no routes, no metrics.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ip_ranges import covers, included, networks, service_cidrs
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception


class ServicesNotIncluded(Rule[Interception]):
    """At most one finding."""

    code = "EGR0402"
    severity = Severity.WARNING
    title = "include ranges without the cluster's service ranges"
    applies_to = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Checks the service ranges of the clusters that the policy selects."""
        if not policy.include_cidrs or policy.include_service_cidrs:
            return
        ranges = included(policy)
        missing = [
            (cluster.id, network)
            for cluster in snapshot.clusters(policy.cluster_selector)
            for network in networks(service_cidrs(snapshot, cluster))
            if not covers(ranges, network)
        ]
        if missing:
            cluster, network = missing[0]
            yield self.finding(
                "include_cidrs",
                f"{network}, the service range of cluster {cluster}, is not included: calls between services of the "
                "mesh bypass the sidecar there, without mutual TLS, routes or metrics",
                "set include_service_cidrs, which adds each cluster's own service ranges",
                f"meshes/{snapshot.mesh}/clusters/{cluster}",
            )
