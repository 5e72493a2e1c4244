"""EGR0708: REGISTRY_ONLY on a cluster with ambient workloads.

ztunnel enforces neither REGISTRY_ONLY nor export_to (istio#54281, #55163): what is in ambient mode reaches everything.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import named, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy


class Ambient(Rule[OutboundPolicy]):
    """One finding at most."""

    code = "EGR0708"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY on a cluster with ambient workloads"
    on = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Looks at the capabilities of the clusters that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY:
            return
        clusters = on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        if where := named(cluster.id for cluster, record in clusters if record.capabilities.ambient):
            yield self.found(
                "mode",
                f"cluster {where} has ambient mode, where ztunnel enforces neither REGISTRY_ONLY nor export_to: such "
                "workloads reach what is refused to those with a sidecar",
                "give workloads that are to be held a sidecar, or an egress gateway with a NetworkPolicy behind it",
            )
