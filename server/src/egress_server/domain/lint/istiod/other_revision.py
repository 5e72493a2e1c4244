"""EGR0714: an object for another revision of istiod.

istiod reads only objects without the label istio.io/rev, or with its own revision. So an entry with another revision
has no effect on sidecars of this one. Next to a Sidecar of another revision, a policy applies here only: sidecars of
the other revision use the older one of the two.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_clusters, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundPolicy, ServiceEntry

_LABEL, _DEFAULT = "istio.io/rev", "default"


class OtherRevision(Rule[ServiceEntry | OutboundPolicy]):
    """At most one finding."""

    code = "EGR0714"
    severity = Severity.WARNING
    title = "object for another revision of istiod"
    applies_to = (ServiceEntry, OutboundPolicy)

    def check(self, snapshot: Snapshot, resource: ServiceEntry | OutboundPolicy) -> Iterator[Finding]:
        """Checks the entry's label, or the Sidecars in the namespace of the policy."""
        if isinstance(resource, ServiceEntry):
            yield from self._check_entry(snapshot, resource)
            return
        rows = snapshot.inventories.of_other_revisions(resource.scope.namespace)
        for cluster, ignored in on_clusters(snapshot, resource.cluster_selector, rows):
            if found := next((each for each in ignored if each.kind == "Sidecar"), None):
                yield self.finding(
                    "scope.namespace",
                    f"on cluster {cluster.id}, istiod does not read Sidecar {found.namespace}/{found.name} "
                    f"({found.why}); sidecars of that revision see both it and this policy, and use the older one",
                    f"remove Sidecar {found.namespace}/{found.name}, or its label {_LABEL}",
                )
                return

    def _check_entry(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        labelled = entry.labels.get(_LABEL)
        if labelled is None:
            return
        for cluster in first_clusters(snapshot, entry.cluster_selector):
            target = cluster.target
            if isinstance(target, KubernetesTarget) and (target.istio_revision or _DEFAULT) != labelled:
                yield self.finding(
                    "labels",
                    f"the label {_LABEL} is {labelled}, but the revision of istiod on cluster {cluster.id} is "
                    f"{target.istio_revision or _DEFAULT}: istiod does not read the entry there",
                    f"remove the label, or select the clusters with revision {labelled}",
                )
                return
