"""EGR0109: an entry that hides ports of its host from a namespace, or whose own ports are hidden there.

Entries of one host in different namespaces are not merged. A client's own namespace wins even if its entry is newer,
else the oldest of those that are exported to it by name, else the oldest of all (istio#55879). Those of one namespace
are merged only if resolution, export_to, labels and workload selector are equal (istio#31483). So an entry with fewer
ports than the one it displaces cuts clients off from the others, without any error message; and the ports of an entry
that is itself displaced somewhere do not exist there.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.lint.same_host import HostView, registration, views
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import selectors_overlap


class HiddenPorts(Rule[ServiceEntry]):
    """One finding per host and namespace for ports that the entry hides; one per host and other entry that hides
    ports of this one."""

    code = "EGR0109"
    severity = Severity.WARNING
    title = "entry that hides ports of its host from a namespace"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts."""
        for index, host in enumerate(entry.hosts):
            others = [
                registration(snapshot, other)
                for other in snapshot.entries_with_host(host).values()
                if other.name != entry.name and selectors_overlap(other.cluster_selector, entry.cluster_selector)
            ]
            displacing: set[str] = set()
            for view in views(others, registration(snapshot, entry)):
                other = view.first.entry.name
                if view.lost:
                    yield self._lost(index, host, entry, view)
                elif view.unserved and other not in displacing:
                    displacing.add(other)
                    yield self._unserved(index, host, entry, view)

    def _lost(self, index: int, host: str, entry: ServiceEntry, view: HostView) -> Finding:
        other, ports = view.first.entry, ", ".join(map(str, sorted(view.lost)))
        return self.finding(
            f"hosts[{index}]",
            f"{other.name} declares port {ports} of {host} for {view.clients}, but {_rule(entry, other)}: this entry "
            f"replaces it there, without port {ports}",
            f"declare port {ports} here as well, or change {other.name} instead",
            other.name,
        )

    def _unserved(self, index: int, host: str, entry: ServiceEntry, view: HostView) -> Finding:
        other, ports = view.first.entry, ", ".join(map(str, sorted(view.unserved)))
        return self.finding(
            f"hosts[{index}]",
            f"{view.clients} keeps using {other.name} for {host}, because {_rule(entry, other)}: port {ports} of this "
            "entry is not available there",
            f"declare port {ports} in {other.name} as well",
            other.name,
        )


def _rule(entry: ServiceEntry, other: ServiceEntry) -> str:
    if entry.namespace != other.namespace:
        return "entries in different namespaces are not merged"
    return (
        "entries of one namespace are merged only if their resolution, export_to, labels and workload selector are "
        "equal; otherwise Istio uses the older one, or either one if the cluster created both in the same second"
    )
