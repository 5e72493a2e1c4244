"""EGR0312: a policy or fault for a namespace without workloads.

The namespace exists (EGR0505 covers others), but none of its workloads has a sidecar: the policy applies to nothing.
Which labels the workloads of a namespace have is not reported.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy

_Any = OutboundPolicy | Interception | Fault


class ScopeWithoutWorkloads(Rule[_Any]):
    """At most one finding, once the clusters have reported their workloads."""

    code = "EGR0312"
    severity = Severity.WARNING
    title = "policy or fault for a namespace without workloads"
    applies_to = (OutboundPolicy, Interception, Fault)
    related_codes = ("IST0127", "KIA0004")

    def check(self, snapshot: Snapshot, resource: _Any) -> Iterator[Finding]:
        """Checks the workloads with a sidecar on the clusters that the resource applies to."""
        is_fault = isinstance(resource, Fault)
        namespace = resource.source_namespace if isinstance(resource, Fault) else resource.scope.namespace
        if not namespace:
            return
        clusters = first_clusters(snapshot, resource.cluster_selector)
        reports = [snapshot.inventories.get(cluster.id) for cluster in clusters]
        reported = reports and all(report and report.workloads for report in reports)
        exists = any(report and namespace in report.namespaces for report in reports)
        if reported and exists and not any(report and report.workloads.get(namespace) for report in reports):
            kind = "fault" if is_fault else "policy"
            yield self.finding(
                "source_namespace" if is_fault else "scope.namespace",
                f"no cluster that the {kind} applies to has workloads with a sidecar in namespace {namespace}, so it "
                "has no effect",
                "correct the name; no change is needed if the workloads are still to be created",
            )
