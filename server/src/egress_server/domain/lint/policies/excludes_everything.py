"""EGR0401: exclude ranges that swallow what is included, or the services of the mesh.

Exclude beats include. Where nothing is left, no connection goes through the sidecar: entries, REGISTRY_ONLY and faults
do nothing, and neither does mutual TLS where the ranges of a cluster's own services are swallowed.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.ranges import included, networks, service_cidrs, swallows
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception


class ExcludesEverything(Rule[Interception]):
    """One finding at most."""

    code = "EGR0401"
    severity = Severity.WARNING
    title = "exclude ranges that swallow everything"
    on = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Looks at the service ranges of the clusters that the policy selects."""
        if policy.none or not policy.exclude_cidrs:
            return
        excluded = networks(policy.exclude_cidrs)
        if swallows(excluded, included(policy, None)) and not policy.include_service_cidrs:
            yield self.found(
                "exclude_cidrs",
                "exclude beats include, and nothing of what is included is left: every connection goes past the "
                "sidecar, so entries, REGISTRY_ONLY and faults do nothing",
                "narrow the exclude ranges; if that is what you want, set none",
            )
            return
        swallowed = [
            cluster.id
            for cluster in snapshot.clusters(policy.cluster_selector)
            if (ranges := service_cidrs(snapshot, cluster)) and swallows(excluded, networks(ranges))
        ]
        if swallowed:
            yield self.found(
                "exclude_cidrs",
                f"they contain the service ranges of cluster {', '.join(swallowed[:3])}: calls between services of "
                "the mesh go past the sidecar there, without mutual TLS, routes or metrics",
                "take the service ranges out of the exclude ranges",
                f"meshes/{snapshot.mesh}/clusters/{swallowed[0]}",
            )
