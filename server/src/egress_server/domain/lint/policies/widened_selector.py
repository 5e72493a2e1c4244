"""EGR0501: an update that makes a resource apply to more clusters.

Setting a resource replaces all of it. A cluster selector that was set before and is now omitted means every cluster: a
change intended for one place takes effect everywhere.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Selected, ServiceEntry
from egress_server.domain.model.selectors import ClusterSelector, includes


class WidenedSelector(Rule[Selected]):
    """At most one finding."""

    code = "EGR0501"
    severity = Severity.WARNING
    title = "update that makes a resource apply to more clusters"
    applies_to = (ServiceEntry, Fault, OutboundPolicy, Interception)

    def check(self, snapshot: Snapshot, resource: Selected) -> Iterator[Finding]:
        """Checks the previous state of the resource."""
        known = snapshot.get(resource.name)
        if known is None or not isinstance(known.resource, Selected):
            return
        old, new = known.resource.cluster_selector, resource.cluster_selector
        if old != new and _selects_all_of(snapshot, new, old) and not includes(old, new):
            yield self.finding(
                "cluster_selector",
                f"changes from {_describe(old)} to {_describe(new)}: the whole resource is replaced, on the added "
                "clusters as well",
                f"repeat the cluster selector ({_describe(old)}) unless more clusters are intended",
            )


def _selects_all_of(snapshot: Snapshot, new: ClusterSelector, old: ClusterSelector) -> bool:
    if old.clusters and new.match_labels:
        clusters = [snapshot.cluster(id_) for id_ in old.clusters]
        return all(cluster is not None and new.selects(cluster) for cluster in clusters)
    return includes(new, old)


def _describe(selector: ClusterSelector) -> str:
    if selector.clusters:
        names = ", ".join(selector.clusters[:3])
        return f"{names} and {len(selector.clusters) - 3} more" if len(selector.clusters) > 3 else names
    labels = ", ".join(f"{key}={value}" for key, value in sorted(selector.match_labels.items()))
    return labels or "all clusters"
