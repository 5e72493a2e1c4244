"""EGR0109: an entry that hides ports of its host from a namespace.

Entries of one host in different namespaces are not merged. A client's own namespace wins even if its entry is newer,
else the oldest of those that are exported to it by name, else the oldest of all. So an entry with fewer ports than the
one it displaces cuts clients off from the others, without any error message; and the ports of an entry that is itself
displaced somewhere do not exist there (istio#55879).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, selectors_overlap, visible_namespaces

_UNNAMED = ""  # a namespace that no entry names: it sees what is exported to all
_YOUNGEST = datetime.max.replace(tzinfo=UTC)
_Aged = tuple[datetime, ServiceEntry]


class HiddenPorts(Rule[ServiceEntry]):
    """One finding per host and namespace."""

    code = "EGR0109"
    severity = Severity.WARNING
    title = "entry that hides ports of its host from a namespace"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts."""
        for index, host in enumerate(entry.hosts):
            others = [
                other
                for other in snapshot.entries_with_host(host).values()
                if other.namespace != entry.namespace
                and selectors_overlap(other.cluster_selector, entry.cluster_selector)
            ]
            if others:
                yield from self._check_host(snapshot, entry, index, others)

    def _check_host(
        self, snapshot: Snapshot, entry: ServiceEntry, index: int, others: list[ServiceEntry]
    ) -> Iterator[Finding]:
        host = entry.hosts[index]
        own = [e for e in snapshot.entries_with_host(host).values() if e.namespace == entry.namespace]
        aged = [_aged(snapshot, e) for e in (*others, *own) if e.name != entry.name]
        with_entry = [*aged, _aged(snapshot, entry)]
        for namespace in _viewers(entry):
            before = _preferred(aged, namespace)
            lost = _ports(before) - _ports(_preferred(with_entry, namespace))
            if lost:
                ports = ", ".join(map(str, sorted(lost)))
                whom = f"namespace {namespace}" if namespace else "every namespace without an entry of its own"
                yield self.finding(
                    f"hosts[{index}]",
                    f"{before[0].name} declares port {ports} of {host} for {whom}, but entries in different namespaces "
                    f"are not merged: this entry replaces it there, without port {ports}",
                    f"declare port {ports} here as well, or change {before[0].name} instead",
                    before[0].name,
                )
        displaced: set[str] = set()
        for namespace in sorted({viewer for other in others for viewer in _viewers(other)}):
            chosen = _preferred(with_entry, namespace)
            hidden = _ports([entry]) - _ports(chosen)
            if hidden and entry.visible_to(namespace or ANY_NAMESPACE) and chosen[0].name not in displaced:
                displaced.add(chosen[0].name)
                ports = ", ".join(map(str, sorted(hidden)))
                whom = f"namespace {namespace}" if namespace else "every namespace without an entry of its own"
                yield self.finding(
                    f"hosts[{index}]",
                    f"{whom} keeps using {chosen[0].name} for {host}, because entries in different namespaces are not "
                    f"merged: port {ports} of this entry is not available there",
                    f"declare port {ports} in {chosen[0].name} as well",
                    chosen[0].name,
                )


def _viewers(entry: ServiceEntry) -> list[str]:
    """The namespaces that see the entry or that it belongs to; _UNNAMED for those that no entry names."""
    return sorted({_UNNAMED if to == ANY_NAMESPACE else to for to in (*visible_namespaces(entry), entry.namespace)})


def _aged(snapshot: Snapshot, entry: ServiceEntry) -> _Aged:
    known = snapshot.get(entry.name)
    return (known.create_time if known else _YOUNGEST), entry


def _preferred(aged: Iterable[_Aged], namespace: str) -> list[ServiceEntry]:
    """The entries of one host that a client in `namespace` gets."""
    visible = sorted(((created, e.name, e) for created, e in aged if e.visible_to(namespace)), key=lambda i: i[:2])
    first = next((e.namespace for _, _, e in visible if e.namespace == namespace), None)
    if first is None:
        first = next((e.namespace for _, _, e in visible if namespace in e.export_to), None)
    if first is None and visible:
        first = visible[0][2].namespace
    return [e for _, _, e in visible if e.namespace == first]


def _ports(entries: Iterable[ServiceEntry]) -> set[int]:
    return {port.number for entry in entries for port in entry.ports}
