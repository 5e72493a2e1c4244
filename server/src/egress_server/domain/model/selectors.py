"""Selectors: which workloads a scope covers, which clusters a selector matches, and whether two of them overlap.

Two resources that can never meet in one workload can't conflict, so lint checks for overlap first.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egress_server.domain.model.clusters import Cluster
    from egress_server.domain.model.resources import ServiceEntry

Labels = dict[str, str]

ANY_NAMESPACE = "*"
NO_NAMESPACE = "~"
_ALL_NAMESPACES = frozenset([ANY_NAMESPACE])


@dataclass(frozen=True, slots=True)
class Scope:
    """The workloads a policy applies to. An empty namespace means the whole mesh; labels require a namespace."""

    namespace: str = ""
    match_labels: Labels = field(default_factory=dict)

    def key(self) -> str:
        """Canonical text, equal for equal scopes."""
        labels = ",".join(f"{k}={v}" for k, v in sorted(self.match_labels.items()))
        return f"{self.namespace}/{labels}"


@dataclass(frozen=True, slots=True)
class ClusterSelector:
    """The clusters a resource applies to: by id, by labels, or (if both are empty) all of them."""

    clusters: tuple[str, ...] = ()
    match_labels: Labels = field(default_factory=dict)

    def selects(self, cluster: "Cluster") -> bool:
        """Whether it matches `cluster`."""
        if self.clusters:
            return cluster.id in self.clusters
        return all(cluster.labels.get(key) == value for key, value in self.match_labels.items())

    @property
    def rank(self) -> int:
        """Precedence among policies for one scope, the higher rank wins: named clusters, then labels, then all."""
        return 2 if self.clusters else 1 if self.match_labels else 0


def selectors_overlap(a: ClusterSelector, b: ClusterSelector) -> bool:
    """Whether some cluster could match both; a named cluster could have any labels."""
    if a.clusters and b.clusters:
        return not set(a.clusters).isdisjoint(b.clusters)
    if a.clusters or b.clusters:
        return True
    return all(b.match_labels.get(key, value) == value for key, value in a.match_labels.items())


def includes(wide: ClusterSelector, narrow: ClusterSelector) -> bool:
    """Whether `wide` matches every cluster that `narrow` matches, whichever clusters exist."""
    if wide.clusters:
        return bool(narrow.clusters) and set(narrow.clusters) <= set(wide.clusters)
    if narrow.clusters:
        return not wide.match_labels
    return wide.match_labels.items() <= narrow.match_labels.items()


def visible_namespaces(entry: "ServiceEntry") -> frozenset[str]:
    """The namespaces that see the entry (exportTo); `*` for all of them, which is the default. None at all if it is
    exported to `~`."""
    if not entry.export_to:
        return _ALL_NAMESPACES
    own = entry.namespace
    return frozenset(own if to == "." else to for to in entry.export_to if to != NO_NAMESPACE)


def can_coexist(a: "ServiceEntry", b: "ServiceEntry") -> bool:
    """Whether some cluster could hold both entries and some namespace there see both."""
    if not selectors_overlap(a.cluster_selector, b.cluster_selector):
        return False
    if not a.export_to and not b.export_to:
        return True
    sees_a, sees_b = visible_namespaces(a), visible_namespaces(b)
    if not sees_a or not sees_b:
        return False
    return ANY_NAMESPACE in sees_a or ANY_NAMESPACE in sees_b or not sees_a.isdisjoint(sees_b)
