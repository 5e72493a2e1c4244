"""Who may see an entry and where: whether two resources can meet in one workload at all.

What never meets can't conflict, so lint asks here before it blames anybody.
"""

from egress_server.domain.model.resources import ClusterSelector, ServiceEntry

EVERYONE = "*"
_ALL = frozenset([EVERYONE])


def visible_namespaces(entry: ServiceEntry) -> frozenset[str]:
    """Namespaces that see the entry (exportTo); `*` for all, as where it says nothing."""
    if not entry.export_to:
        return _ALL
    own = entry.namespace
    return frozenset(own if to == "." else to for to in entry.export_to)


def can_coexist(a: ServiceEntry, b: ServiceEntry) -> bool:
    """Whether some cluster may hold both entries, and some namespace there see both."""
    if not selectors_overlap(a.cluster_selector, b.cluster_selector):
        return False
    if not a.export_to or not b.export_to:
        return True
    seen_a, seen_b = visible_namespaces(a), visible_namespaces(b)
    return EVERYONE in seen_a or EVERYONE in seen_b or not seen_a.isdisjoint(seen_b)


def selectors_overlap(a: ClusterSelector, b: ClusterSelector) -> bool:
    """Whether a cluster may exist that both select; named clusters may have any labels."""
    if a.clusters and b.clusters:
        return not set(a.clusters).isdisjoint(b.clusters)
    if a.clusters or b.clusters:
        return True
    return all(b.match_labels.get(key, value) == value for key, value in a.match_labels.items())


def includes(wide: ClusterSelector, narrow: ClusterSelector) -> bool:
    """Whether `wide` selects all that `narrow` does, whatever clusters there are."""
    if wide.clusters:
        return bool(narrow.clusters) and set(narrow.clusters) <= set(wide.clusters)
    if narrow.clusters:
        return not wide.match_labels
    return wide.match_labels.items() <= narrow.match_labels.items()
