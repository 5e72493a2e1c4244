"""EGR0109: an entry that takes ports of its host away from a namespace.

Entries of one host in different namespaces don't merge. A client's own namespace wins even when its entry is newer,
else the oldest of those that are exported to it by name, else the oldest of all. So an entry with fewer ports than the
one it displaces cuts clients off from the rest, and nothing says why.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import EVERYONE, selectors_overlap, visible_namespaces

_ANY_OTHER = ""  # a namespace that is none of those named: it sees what is exported to all
_YOUNGEST = datetime.max.replace(tzinfo=UTC)
_Aged = tuple[datetime, ServiceEntry]


class OverridesPorts(Rule[ServiceEntry]):
    """One finding for each host and namespace."""

    code = "EGR0109"
    severity = Severity.WARNING
    title = "an entry that takes ports of the host away from a namespace"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entries of the same hosts."""
        for index, host in enumerate(entry.hosts):
            others = [
                other
                for other in snapshot.entries_with_host(host).values()
                if other.namespace != entry.namespace
                and selectors_overlap(other.cluster_selector, entry.cluster_selector)
            ]
            if others:
                yield from self._of_host(snapshot, entry, index, others)

    def _of_host(
        self, snapshot: Snapshot, entry: ServiceEntry, index: int, others: list[ServiceEntry]
    ) -> Iterator[Finding]:
        host = entry.hosts[index]
        own = [e for e in snapshot.entries_with_host(host).values() if e.namespace == entry.namespace]
        aged = [_aged(snapshot, e) for e in (*others, *own) if e.name != entry.name]
        for namespace in sorted(
            {_ANY_OTHER if to == EVERYONE else to for to in (*visible_namespaces(entry), entry.namespace)}
        ):
            without = _winners(aged, namespace)
            lost = _ports(without) - _ports(_winners([*aged, _aged(snapshot, entry)], namespace))
            if lost:
                ports = ", ".join(map(str, sorted(lost)))
                whose = f"namespace {namespace}" if namespace else "every namespace without an entry of its own"
                yield self.found(
                    f"hosts[{index}]",
                    f"{host} has port {ports} in {without[0].name}, which {whose} would see; but entries of different "
                    f"namespaces don't merge, so this one takes its place there, without port {ports}",
                    f"declare port {ports} here as well, or change {without[0].name} instead",
                    without[0].name,
                )


def _aged(snapshot: Snapshot, entry: ServiceEntry) -> _Aged:
    known = snapshot.get(entry.name)
    return (known.create_time if known else _YOUNGEST), entry


def _winners(aged: Iterable[_Aged], namespace: str) -> list[ServiceEntry]:
    """Of the entries of one host those that a client in `namespace` gets."""
    visible = sorted(((born, e.name, e) for born, e in aged if e.visible_to(namespace)), key=lambda item: item[:2])
    first = next((e.namespace for _, _, e in visible if e.namespace == namespace), None)
    if first is None:
        first = next((e.namespace for _, _, e in visible if namespace in e.export_to), None)
    if first is None and visible:
        first = visible[0][2].namespace
    return [e for _, _, e in visible if e.namespace == first]


def _ports(entries: Iterable[ServiceEntry]) -> set[int]:
    return {port.number for entry in entries for port in entry.ports}
