"""EGR0710: a resource in a namespace that istiod does not read.

MeshConfig's discoverySelectors limit the namespaces whose objects istiod reads. An entry or a Sidecar in any other one
is stored by Kubernetes and has no effect on any sidecar.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_names, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundPolicy, ServiceEntry


class UnreadNamespace(Rule[ServiceEntry | OutboundPolicy]):
    """At most one finding."""

    code = "EGR0710"
    severity = Severity.WARNING
    title = "resource in a namespace that istiod does not read"
    applies_to = (ServiceEntry, OutboundPolicy)

    def check(self, snapshot: Snapshot, resource: ServiceEntry | OutboundPolicy) -> Iterator[Finding]:
        """Checks the namespaces that discoverySelectors leave out on the clusters that the resource applies to."""
        is_entry = isinstance(resource, ServiceEntry)
        namespace = resource.namespace if isinstance(resource, ServiceEntry) else resource.scope.namespace
        found = on_clusters(snapshot, resource.cluster_selector, snapshot.inventories.ignoring(namespace))
        if names := first_names(cluster.id for cluster, _ in found):
            yield self.finding(
                "name" if is_entry else "scope.namespace",
                f"on cluster {names}, istiod does not read namespace {namespace}, because no discoverySelectors of "
                f"MeshConfig match its labels: this {'entry' if is_entry else 'policy'} has no effect there",
                f"label the namespace so that a selector matches it, or {_fix(is_entry)}",
            )


def _fix(is_entry: bool) -> str:
    if is_entry:
        return "move the entry to a namespace that istiod reads"
    return "set the policy for the whole mesh, or extend discoverySelectors"
