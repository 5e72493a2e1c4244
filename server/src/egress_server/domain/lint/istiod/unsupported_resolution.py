"""EGR0707: resolution DYNAMIC_DNS on a cluster whose Istio does not support it.

Istio 1.31 introduced it. Older versions reject the object or use another resolution; an applier does not write it
there, and the host stays unregistered on that cluster.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_names, older_than, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry

_SUPPORTED_SINCE = (1, 31)


class UnsupportedResolution(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0707"
    severity = Severity.WARNING
    title = "resolution DYNAMIC_DNS on an Istio that does not support it"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the Istio versions of the clusters that the entry applies to."""
        if entry.resolution is not Resolution.DYNAMIC_DNS:
            return
        clusters = on_clusters(snapshot, entry.cluster_selector, snapshot.inventories)
        old = (
            f"{cluster.id} ({inventory.capabilities.istio_version})"
            for cluster, inventory in clusters
            if older_than(inventory.capabilities.istio_version, _SUPPORTED_SINCE)
        )
        if names := first_names(old):
            yield self.finding(
                "resolution",
                f"DYNAMIC_DNS requires Istio 1.31, but the version is older on {names}; {entry.hosts[0]} stays "
                "unregistered there",
                "use resolution NONE for a wildcard or DNS with exact hosts, or select other clusters",
            )
