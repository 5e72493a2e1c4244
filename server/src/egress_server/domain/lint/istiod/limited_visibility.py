"""EGR0712: an entry that MeshConfig's serviceEntryVisibility hides from workloads that it is exported to.

The setting takes precedence over exportTo: in a namespace that it covers, entries are seen by workloads of the same
namespace only, or by none.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import visible_namespaces


class LimitedVisibility(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0712"
    severity = Severity.WARNING
    title = "entry that serviceEntryVisibility hides from workloads"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the clusters that the entry applies to."""
        rows = snapshot.inventories.limited_visibility(entry.namespace)
        for cluster, whom in on_clusters(snapshot, entry.cluster_selector, rows):
            if visible_namespaces(entry) == {entry.namespace} and not whom.startswith("to no"):
                continue
            yield self.finding(
                "export_to",
                f"on cluster {cluster.id}, serviceEntryVisibility of MeshConfig shows entries of namespace "
                f"{entry.namespace} {whom}, whatever they are exported to",
                "move the entry to a namespace that the setting does not cover, or change the setting",
            )
            return
