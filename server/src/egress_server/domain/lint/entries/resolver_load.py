"""EGR0111: so many DNS hosts that resolving them is a load.

Every sidecar resolves every DNS host that it sees, called or not, and again whenever the answer's TTL ends. What the
cluster's DNS servers get is names times workloads.
"""

from collections.abc import Iterator

from egress_server.domain.desired.indexes import dns_names
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import EVERYONE, visible_namespaces

MANY = 200
"""Names a sidecar: with 500 workloads and a TTL of 60 s that is 100,000 lookups a minute, IPv6 not counted."""


class ResolverLoad(Rule[ServiceEntry]):
    """One finding at most, where the entry adds names."""

    code = "EGR0111"
    severity = Severity.WARNING
    title = "many DNS hosts times many workloads"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the number of names that the workloads which see the entry resolve."""
        names = dns_names(entry)
        if not names:
            return
        before = snapshot.entry(entry.name)
        if before and names <= dns_names(before) and visible_namespaces(entry) <= visible_namespaces(before):
            return
        total = names + max(_others(snapshot, before, viewer) for viewer in visible_namespaces(entry))
        if total > MANY:
            yield self.found(
                "resolution",
                f"with this entry each sidecar that sees it resolves {total} names, called or not, and again when a "
                "TTL ends; the cluster's DNS servers get that many lookups from every workload",
                "narrow export_to to the namespaces that call the hosts, or use resolution NONE (with a wildcard, one "
                "entry serves a whole domain) or STATIC",
            )


def _others(snapshot: Snapshot, before: ServiceEntry | None, viewer: str) -> int:
    """Names on account of other entries, for a workload in the namespace `viewer`, or in one that no entry names."""
    count = sum(snapshot.indexes.dns_hosts(to) for to in {viewer, EVERYONE})
    if before and not visible_namespaces(before).isdisjoint({viewer, EVERYONE}):
        count -= dns_names(before)
    return count
