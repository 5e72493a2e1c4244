"""EGR0403: include_service_cidrs on a cluster whose service ranges are not known.

Nothing stands for them there. With other include ranges only those go through the sidecar, and calls between services
of the mesh go past it; without any, all connections go through it.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ranges import service_cidrs
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Cluster, Interception, TargetKind


class UnknownServices(Rule[Interception]):
    """One finding at most."""

    code = "EGR0403"
    severity = Severity.WARNING
    title = "include_service_cidrs on a cluster without known service ranges"
    on = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Looks at the clusters that the policy selects."""
        if not policy.include_service_cidrs:
            return
        unknown = [
            cluster.id
            for cluster in snapshot.clusters(policy.cluster_selector)
            if not service_cidrs(snapshot, cluster) and not _will_be_asked(snapshot, cluster)
        ]
        if unknown:
            effect = (
                "calls between services of the mesh go past the sidecar there"
                if policy.include_cidrs
                else "all connections go through the sidecar there, not only those between services"
            )
            yield self.found(
                "include_service_cidrs",
                f"no service ranges are known of cluster {', '.join(unknown[:3])}, so {effect}",
                "update the cluster with its service_cidrs",
                f"meshes/{snapshot.mesh}/clusters/{unknown[0]}",
            )


def _will_be_asked(snapshot: Snapshot, cluster: Cluster) -> bool:
    """Whether the cluster itself may know, and nobody has looked yet."""
    return cluster.target is TargetKind.KUBERNETES and cluster.id not in snapshot.inventories
