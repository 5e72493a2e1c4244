"""EGR0701: a host that an unmanaged object registers as well.

Entries of one host in different namespaces are not merged, whoever wrote them: a client gets what its own namespace
has, else a Service of the mesh, else the oldest that is exported to it by name, else the oldest. So a managed entry may
be invisible outside its namespace, or may displace the unmanaged one. Within one namespace ports are merged, and of two
entries for one port the older one is used.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, visible_namespaces
from egress_server.domain.observed.foreign_services import ForeignService, is_service


class HostConflict(Rule[ServiceEntry]):
    """At most one finding per host, about the first object that matters."""

    code = "EGR0701"
    severity = Severity.WARNING
    title = "host that an unmanaged object registers as well"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign services with the same hosts on the clusters that the entry applies to."""
        for index, host in enumerate(entry.hosts):
            found = foreign_on_clusters(snapshot, entry, snapshot.inventories.with_host(host))
            findings = (self._conflict(snapshot, entry, index, service, cluster) for cluster, service in found)
            if finding := next(filter(None, findings), None):
                yield finding

    def _conflict(
        self, snapshot: Snapshot, entry: ServiceEntry, index: int, other: ForeignService, cluster: Cluster
    ) -> Finding | None:
        older = _is_older(snapshot, entry, other)
        if other.entry.namespace == entry.namespace:
            effect = _merged(entry, other, older=older)
        else:
            effect = _displaced(entry, other, older=older)
        if not effect:
            return None
        return self.finding(
            f"hosts[{index}]",
            f"on cluster {cluster.id}, {other.description} also registers {entry.hosts[index]}: {effect}",
            f"change or remove {other.description}, or separate the two by export_to",
        )


def _is_older(snapshot: Snapshot, entry: ServiceEntry, other: ForeignService) -> bool:
    """Whether the foreign object was created first."""
    known = snapshot.get(entry.name)
    return known is None or other.create_time <= known.create_time


def _merged(entry: ServiceEntry, other: ForeignService, *, older: bool) -> str:
    both = sorted({port.number for port in entry.ports} & {port.number for port in other.entry.ports})
    if not both:
        return ""
    ports = ", ".join(map(str, both))
    used = "the other, older one is used" if older or is_service(other.entry) else "this, the older one, is used"
    return f"within namespace {entry.namespace} their ports are merged, and for port {ports} {used}"


def _displaced(entry: ServiceEntry, other: ForeignService, *, older: bool) -> str:
    """The effect if clients get the other object instead of the entry, or lose ports because of the entry."""
    theirs = other.entry.namespace
    rule = "entries in different namespaces are not merged, and"
    if is_service(other.entry):
        return (
            f"outside namespace {entry.namespace} a Service takes precedence over this entry, which has no effect there"
        )
    if older and _both_visible_elsewhere(entry, other.entry):
        return f"{rule} clients outside namespace {entry.namespace} use the other one, which is older"
    if entry.visible_to(theirs):
        return f"{rule} clients in namespace {theirs} use the other one"
    lost = {port.number for port in other.entry.ports} - {port.number for port in entry.ports}
    if lost and other.entry.visible_to(entry.namespace):
        ports = ", ".join(map(str, sorted(lost)))
        return f"{rule} clients in namespace {entry.namespace} use this one, without port {ports}"
    return ""


def _both_visible_elsewhere(entry: ServiceEntry, other: ServiceEntry) -> bool:
    """Whether some third namespace sees both."""
    visible, theirs = visible_namespaces(entry), visible_namespaces(other)
    if ANY_NAMESPACE in visible:
        return bool(theirs - {other.namespace, entry.namespace})
    both = visible if ANY_NAMESPACE in theirs else visible & theirs
    return bool(both - {other.namespace, entry.namespace})
