"""EGR0401: exclude ranges that cover everything that is included, or the services of the mesh.

Exclude takes precedence over include. If nothing is left, no connection goes through the sidecar: entries,
REGISTRY_ONLY and faults have no effect, and neither has mutual TLS if a cluster's own service ranges are covered.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ip_ranges import covers_all, included, networks, service_cidrs
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception


class ExcludedEverything(Rule[Interception]):
    """At most one finding."""

    code = "EGR0401"
    severity = Severity.WARNING
    title = "exclude ranges that leave nothing to intercept"
    applies_to = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Checks the service ranges of the clusters that the policy selects."""
        if policy.none or not policy.exclude_cidrs:
            return
        excluded = networks(policy.exclude_cidrs)
        if covers_all(excluded, included(policy)) and not policy.include_service_cidrs:
            yield self.finding(
                "exclude_cidrs",
                "exclude takes precedence over include, and nothing is left of the included ranges: every connection "
                "bypasses the sidecar, so entries, REGISTRY_ONLY and faults have no effect",
                "narrow the exclude ranges, or set none if that is intended",
            )
            return
        affected = [
            cluster.id
            for cluster in snapshot.clusters(policy.cluster_selector)
            if (ranges := service_cidrs(snapshot, cluster)) and covers_all(excluded, networks(ranges))
        ]
        if affected:
            yield self.finding(
                "exclude_cidrs",
                f"they contain the service ranges of cluster {', '.join(affected[:3])}: calls between services of the "
                "mesh bypass the sidecar there, without mutual TLS, routes or metrics",
                "remove the service ranges from the exclude ranges",
                f"meshes/{snapshot.mesh}/clusters/{affected[0]}",
            )
