"""EGR0708: REGISTRY_ONLY on a cluster with ambient workloads.

ztunnel enforces neither REGISTRY_ONLY nor export_to (istio#54281, #55163): workloads in ambient mode reach everything.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_names, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy


class AmbientWorkloads(Rule[OutboundPolicy]):
    """At most one finding."""

    code = "EGR0708"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY on a cluster with ambient workloads"
    applies_to = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks the capabilities of the clusters that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY:
            return
        clusters = on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        if names := first_names(cluster.id for cluster, inventory in clusters if inventory.capabilities.ambient):
            yield self.finding(
                "mode",
                f"cluster {names} has workloads in ambient mode, where ztunnel enforces neither REGISTRY_ONLY nor "
                "export_to: they can reach what is blocked for workloads with a sidecar",
                "give the workloads that must be restricted a sidecar, or use an egress gateway together with a "
                "NetworkPolicy",
            )
