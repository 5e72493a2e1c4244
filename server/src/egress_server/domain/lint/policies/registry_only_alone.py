"""EGR0302: REGISTRY_ONLY with no entry in sight.

From then on every call to an external service is refused: 502 for HTTP, a reset for HTTPS. Where no entry is visible
to the scope there is nothing that passes. (REGISTRY_ONLY is not a security boundary either: Istio and Linkerd say so.)
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import EVERYONE


class RegistryOnlyAlone(Rule[OutboundPolicy]):
    """One finding at most."""

    code = "EGR0302"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY with no entry in sight"
    on = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Looks whether some entry is visible to the scope on a cluster that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY:
            return
        namespace = policy.scope.namespace
        if not any(snapshot.indexes.entries((namespace or EVERYONE,), policy.cluster_selector)) and not any(
            record.entries for _, record in on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        ):
            whom = f"namespace {namespace}" if namespace else "any namespace"
            yield self.found(
                "mode",
                f"no service entry is visible to {whom}, so REGISTRY_ONLY blocks every external service there: 502 for "
                "HTTP, a reset for HTTPS",
                "upsert entries for what is called first, or keep ALLOW_ANY until they are there",
            )
