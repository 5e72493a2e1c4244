"""EGR0111: so many DNS hosts that resolving them overloads the cluster's DNS.

Every sidecar resolves every DNS host that it sees, called or not, and again whenever the TTL of the answer expires. The
number of lookups is the number of names times the number of workloads.
"""

from collections.abc import Iterator, Mapping

from egress_server.domain.desired.indexes import dns_names
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, visible_namespaces

MAX_NAMES = 200
"""Names per sidecar, if the number of workloads is not known."""
MAX_LOOKUPS = 100_000
"""Names times workloads of one cluster: with a TTL of 60 s that is as many lookups a minute, not counting IPv6."""


class DnsLoad(Rule[ServiceEntry]):
    """At most one finding, if the entry adds names."""

    code = "EGR0111"
    severity = Severity.WARNING
    title = "too many DNS names for every sidecar to resolve"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the number of names that the workloads which see the entry resolve."""
        names, viewers = dns_names(entry), visible_namespaces(entry)
        if not names or not viewers:
            return
        before = snapshot.entry(entry.name)
        if before and names <= dns_names(before) and viewers <= visible_namespaces(before):
            return
        totals = {viewer: names + _other_names(snapshot, before, viewer) for viewer in viewers}
        total, lookups = max(totals.values()), _lookups(snapshot, entry, totals)
        if max(lookups) > MAX_LOOKUPS if lookups else total > MAX_NAMES:
            yield self.finding(
                "resolution",
                f"with this entry, each sidecar that sees it resolves {total} names, called or not, and again whenever "
                "a TTL expires; the cluster's DNS servers get that many lookups from every workload",
                "restrict export_to to the namespaces that call the hosts, or use resolution NONE (with a wildcard, "
                "one entry covers a whole domain) or STATIC",
            )


def _lookups(snapshot: Snapshot, entry: ServiceEntry, totals: Mapping[str, int]) -> list[int]:
    """Names times workloads on each of the first clusters that have reported their workloads."""
    clusters = first_clusters(snapshot, entry.cluster_selector)
    reports = [snapshot.inventories.get(cluster.id) for cluster in clusters]
    found = [report.workloads for report in reports if report and report.workloads]
    return [
        sum(
            total * (sum(workloads.values()) if viewer == ANY_NAMESPACE else workloads.get(viewer, 0))
            for viewer, total in totals.items()
        )
        for workloads in found
    ]


def _other_names(snapshot: Snapshot, before: ServiceEntry | None, viewer: str) -> int:
    """The names of other entries that a workload in the namespace `viewer` (`*`: one that no entry names) resolves."""
    count = sum(snapshot.indexes.dns_names(to) for to in {viewer, ANY_NAMESPACE})
    if before and not visible_namespaces(before).isdisjoint({viewer, ANY_NAMESPACE}):
        count -= dns_names(before)
    return count
