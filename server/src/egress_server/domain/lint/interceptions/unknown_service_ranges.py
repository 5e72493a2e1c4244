"""EGR0403: include_service_cidrs on a cluster whose service ranges are unknown.

There it adds nothing. With other include ranges, only those go through the sidecar, and calls between services of the
mesh bypass it; without any, all connections go through it.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ip_ranges import service_cidrs
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception


class UnknownServiceRanges(Rule[Interception]):
    """At most one finding."""

    code = "EGR0403"
    severity = Severity.WARNING
    title = "include_service_cidrs on a cluster with unknown service ranges"
    applies_to = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Checks the clusters that the policy selects."""
        if not policy.include_service_cidrs:
            return
        unknown = [
            cluster.id
            for cluster in snapshot.clusters(policy.cluster_selector)
            if not service_cidrs(snapshot, cluster) and not _awaits_discovery(snapshot, cluster)
        ]
        if unknown:
            effect = (
                "calls between services of the mesh bypass the sidecar there"
                if policy.include_cidrs
                else "all connections go through the sidecar there, not only those between services"
            )
            yield self.finding(
                "include_service_cidrs",
                f"the service ranges of cluster {', '.join(unknown[:3])} are unknown, so {effect}",
                "register the cluster again with its service_cidrs",
                f"meshes/{snapshot.mesh}/clusters/{unknown[0]}",
            )


def _awaits_discovery(snapshot: Snapshot, cluster: Cluster) -> bool:
    """Whether an applier may still discover the ranges."""
    return isinstance(cluster.target, KubernetesTarget) and cluster.id not in snapshot.inventories
