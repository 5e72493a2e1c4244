"""EGR0402: include ranges that forget the services of the mesh.

With include ranges only these go through the sidecar. Where a cluster's own service ranges are not among them, calls
between services of the mesh go past it: no mutual TLS, no routes, no metrics.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ranges import covers, included, networks, service_cidrs
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception


class ForgetsServices(Rule[Interception]):
    """One finding at most."""

    code = "EGR0402"
    severity = Severity.WARNING
    title = "include ranges that forget the service ranges"
    on = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Looks at the service ranges of the clusters that the policy selects."""
        if not policy.include_cidrs or policy.include_service_cidrs:
            return
        ranges = included(policy, None)
        forgotten = [
            (cluster.id, network)
            for cluster in snapshot.clusters(policy.cluster_selector)
            for network in networks(service_cidrs(snapshot, cluster))
            if not covers(ranges, network)
        ]
        if forgotten:
            cluster, network = forgotten[0]
            yield self.found(
                "include_cidrs",
                f"{network}, the service range of cluster {cluster}, is not included: calls between services of the "
                "mesh go past the sidecar there, without mutual TLS, routes or metrics",
                "set include_service_cidrs, which stands for each cluster's own service ranges",
                f"meshes/{snapshot.mesh}/clusters/{cluster}",
            )
