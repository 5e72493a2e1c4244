"""EGR0311: REGISTRY_ONLY blocks metadata services.

Workloads with a cloud identity get their credentials from a metadata service such as 169.254.169.254. REGISTRY_ONLY
blocks it, and no entry may register it (EGR0105); excluding its address from interception keeps it reachable
(istio#28994).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.captures import capture_rules
from egress_server.domain.lint.foreign_objects import first_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception, OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import Scope
from egress_server.domain.simulate.interception import is_captured

_ADDRESS, _PORT = "169.254.169.254", 80


class BlockedMetadata(Rule[OutboundPolicy]):
    """At most one finding, if the policy is new or was not REGISTRY_ONLY before."""

    code = "EGR0311"
    severity = Severity.INFO
    title = "REGISTRY_ONLY blocks metadata services"
    applies_to = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks the interceptions of the same scope and of the mesh, if the policy selects a Kubernetes cluster."""
        known = snapshot.get(policy.name)
        before = known.resource if known else None
        if policy.mode is not OutboundMode.REGISTRY_ONLY or (
            isinstance(before, OutboundPolicy) and before.mode is policy.mode
        ):
            return
        clusters = first_clusters(snapshot, policy.cluster_selector)
        scopes = (Scope(policy.scope.namespace), Scope())
        interceptions = (each for scope in scopes for each in snapshot.indexes.with_scope(Interception, scope))
        excluded = any(not is_captured(capture_rules(snapshot, each), _ADDRESS, _PORT) for each in interceptions)
        if not excluded and any(isinstance(cluster.target, KubernetesTarget) for cluster in clusters):
            yield self.finding(
                "mode",
                f"REGISTRY_ONLY also blocks metadata services such as {_ADDRESS}, from which workloads with a cloud "
                "identity get their credentials; no entry can register them",
                f"if workloads need one, exclude its address from interception: egressctl intercept set --exclude "
                f"{_ADDRESS}/32",
            )
