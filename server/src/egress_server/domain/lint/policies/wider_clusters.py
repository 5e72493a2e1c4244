"""EGR0501: a full replace that widens the clusters.

Setting a resource replaces all of it. A cluster selector that was there and is left out now means every cluster: a
change meant for one place goes everywhere at once.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import (
    ClusterSelector,
    Fault,
    Interception,
    OutboundPolicy,
    Selected,
    ServiceEntry,
)
from egress_server.domain.model.selectors import includes


class WiderClusters(Rule[Selected]):
    """One finding at most."""

    code = "EGR0501"
    severity = Severity.WARNING
    title = "a full replace that widens the clusters"
    on = (ServiceEntry, Fault, OutboundPolicy, Interception)

    def check(self, snapshot: Snapshot, resource: Selected) -> Iterator[Finding]:
        """Looks at the resource as it was."""
        known = snapshot.get(resource.name)
        if known is None or not isinstance(known.resource, Selected):
            return
        old, new = known.resource.cluster_selector, resource.cluster_selector
        if old != new and _selects_all_of(snapshot, new, old) and not includes(old, new):
            yield self.found(
                "cluster_selector",
                f"was {_text(old)} and is {_text(new)} now: the whole resource is replaced, on the clusters that come "
                "in as well",
                f"repeat the cluster selector ({_text(old)}) unless it is meant to go further",
            )


def _selects_all_of(snapshot: Snapshot, new: ClusterSelector, old: ClusterSelector) -> bool:
    if old.clusters and new.match_labels:
        clusters = [snapshot.cluster(id_) for id_ in old.clusters]
        return all(cluster is not None and new.selects(cluster) for cluster in clusters)
    return includes(new, old)


def _text(selector: ClusterSelector) -> str:
    if selector.clusters:
        names = ", ".join(selector.clusters[:3])
        return f"{names} and {len(selector.clusters) - 3} more" if len(selector.clusters) > 3 else names
    labels = ", ".join(f"{key}={value}" for key, value in sorted(selector.match_labels.items()))
    return labels or "all clusters"
