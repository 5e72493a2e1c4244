"""EGR0302: REGISTRY_ONLY without any visible entry.

From then on every call to an external service is blocked: 502 for HTTP, a reset for HTTPS. If no entry is visible in
the scope, nothing passes. (REGISTRY_ONLY is not a security boundary either, as Istio and Linkerd point out.)
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import ANY_NAMESPACE


class RegistryOnlyWithoutEntries(Rule[OutboundPolicy]):
    """At most one finding."""

    code = "EGR0302"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY without any visible entry"
    applies_to = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks whether some entry is visible in the scope on a cluster that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY:
            return
        namespace = policy.scope.namespace
        if not any(snapshot.indexes.entries((namespace or ANY_NAMESPACE,), policy.cluster_selector)) and not any(
            inventory.entries for _, inventory in on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        ):
            scope = f"namespace {namespace}" if namespace else "any namespace"
            yield self.finding(
                "mode",
                f"no service entry is visible to {scope}, so REGISTRY_ONLY blocks every external service there: 502 "
                "for HTTP, a reset for HTTPS",
                "first upsert entries for the services that are called, and keep ALLOW_ANY until they exist",
            )
