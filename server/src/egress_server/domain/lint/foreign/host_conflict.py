"""EGR0701: a host that somebody else registers as well.

Entries of one host in different namespaces don't merge, whoever wrote them: a client gets what its own namespace has,
else a Service of the mesh, else the oldest that is exported to it by name, else the oldest. So an entry of ours may
reach nobody outside its namespace, or take the place of theirs. Within one namespace ports merge, and of two for one
port the older serves.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import others, title
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Cluster, ServiceEntry
from egress_server.domain.model.selectors import EVERYONE, visible_namespaces
from egress_server.domain.observed.foreign_services import ForeignService, is_service


class ForeignHostConflict(Rule[ServiceEntry]):
    """One finding at most for each host, about the first that matters."""

    code = "EGR0701"
    severity = Severity.WARNING
    title = "a host that somebody else registers as well"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at who registers the same hosts on the clusters that the entry is for."""
        for index, host in enumerate(entry.hosts):
            there = others(snapshot, entry, snapshot.inventories.with_host(host))
            about = (self._about(snapshot, entry, index, each, cluster) for cluster, each in there)
            if finding := next(filter(None, about), None):
                yield finding

    def _about(
        self, snapshot: Snapshot, entry: ServiceEntry, index: int, theirs: ForeignService, cluster: Cluster
    ) -> Finding | None:
        older = _is_older(snapshot, entry, theirs)
        if theirs.entry.namespace == entry.namespace:
            effect = _merged(entry, theirs, older=older)
        else:
            effect = _displaced(entry, theirs, older=older)
        if not effect:
            return None
        return self.found(
            f"hosts[{index}]",
            f"on cluster {cluster.id} {title(theirs)} registers {entry.hosts[index]} too, and entries of different "
            f"namespaces don't merge: {effect}",
            f"change or remove {title(theirs)}, or keep the two apart by export_to",
        )


def _is_older(snapshot: Snapshot, entry: ServiceEntry, theirs: ForeignService) -> bool:
    """Whether theirs comes first."""
    known = snapshot.get(entry.name)
    return known is None or theirs.born <= known.create_time


def _merged(entry: ServiceEntry, theirs: ForeignService, *, older: bool) -> str:
    both = sorted({port.number for port in entry.ports} & {port.number for port in theirs.entry.ports})
    if not both:
        return ""
    ports = ", ".join(map(str, both))
    first = "theirs, the older one," if older or is_service(theirs.entry) else "this one, the older,"
    return f"within namespace {entry.namespace} only ports do, and for port {ports} {first} serves"


def _displaced(entry: ServiceEntry, theirs: ForeignService, *, older: bool) -> str:
    """Where clients get theirs in place of ours, or lose ports by ours."""
    where = theirs.entry.namespace
    if is_service(theirs.entry):
        return f"outside namespace {entry.namespace} a Service comes before an entry, and this one does nothing there"
    if older and _meets_elsewhere(entry, theirs.entry):
        return f"theirs is older, and clients outside namespace {entry.namespace} get it in place of this one"
    if entry.visible_to(where):
        return f"clients in namespace {where} get theirs in place of this one"
    lost = {port.number for port in theirs.entry.ports} - {port.number for port in entry.ports}
    if lost and theirs.entry.visible_to(entry.namespace):
        ports = ", ".join(map(str, sorted(lost)))
        return f"clients in namespace {entry.namespace} get this one in place of theirs, without port {ports}"
    return ""


def _meets_elsewhere(entry: ServiceEntry, other: ServiceEntry) -> bool:
    """Whether some namespace besides theirs sees both."""
    seen, theirs = visible_namespaces(entry), visible_namespaces(other)
    if EVERYONE in seen:
        return bool(theirs - {other.namespace, entry.namespace})
    both = seen if EVERYONE in theirs else seen & theirs
    return bool(both - {other.namespace, entry.namespace})
