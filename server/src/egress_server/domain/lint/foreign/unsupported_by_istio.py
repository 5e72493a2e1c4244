"""EGR0707: resolution DYNAMIC_DNS on a cluster whose Istio does not know it.

Istio 1.31 brought it. An older one refuses the object, or takes it for another resolution; an applier does not write
it there, and the host stays unregistered on that cluster.
"""

import re
from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import named, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry

KNOWN_SINCE = (1, 31)
_VERSION = re.compile(r"(\d+)\.(\d+)")


class UnsupportedByIstio(Rule[ServiceEntry]):
    """One finding at most."""

    code = "EGR0707"
    severity = Severity.WARNING
    title = "resolution DYNAMIC_DNS where Istio does not know it"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the Istio versions of the clusters that the entry is for."""
        if entry.resolution is not Resolution.DYNAMIC_DNS:
            return
        clusters = on_clusters(snapshot, entry.cluster_selector, snapshot.inventories)
        old = (
            f"{cluster.id} ({record.capabilities.istio_version})"
            for cluster, record in clusters
            if _is_older(record.capabilities.istio_version)
        )
        if where := named(old):
            yield self.found(
                "resolution",
                f"DYNAMIC_DNS came with Istio 1.31, and the cluster's is older: {where}; {entry.hosts[0]} stays "
                "unregistered there",
                "use resolution NONE for a wildcard, or DNS with exact hosts, or select the other clusters",
            )


def _is_older(version: str) -> bool:
    """Whether it is known, and does not have it."""
    found = _VERSION.match(version)
    return found is not None and (int(found[1]), int(found[2])) < KNOWN_SINCE
