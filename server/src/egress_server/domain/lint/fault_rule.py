"""Base of the blocking rules for faults, which look at a fault and the entries of its host from both sides.

Whichever of the two is set last is refused; and an entry is only blamed for problems that its change causes. A fault
applies to exactly its host: a VirtualService forwards requests to the host it names, and if only a wildcard registers
that, there is no such cluster in Envoy.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import ClassVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.resources import Fault, ServiceEntry
from egress_server.domain.model.selectors import includes, selectors_overlap

Entries = list[ServiceEntry]


class FaultRule(Rule[Fault | ServiceEntry]):
    """A rule about a fault and the entries that register its host on clusters that it may apply to."""

    applies_to = (Fault, ServiceEntry)
    fix: ClassVar[str]
    entry_field: ClassVar[str]
    """The field to blame in an entry that still lists the host."""

    @abstractmethod
    def problems(self, snapshot: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """Keys of the problems that the fault has with these entries."""

    @abstractmethod
    def describe(self, fault: Fault, problems: Collection[str], entries: Entries) -> Iterable[tuple[str, str]]:
        """Fields of the fault and causes, for some of its problems."""

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        if isinstance(resource, ServiceEntry):
            yield from self._check_entry(snapshot, resource, deleted=False)
            return
        entries = entries_of(snapshot, resource)
        if problems := self.problems(snapshot, resource, entries):
            for field, cause in self.describe(resource, problems, entries):
                yield self.finding(field, cause, self.fix)

    def check_delete(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Only deleting an entry can cause problems."""
        if isinstance(resource, ServiceEntry):
            yield from self._check_entry(snapshot, resource, deleted=True)

    def reads(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[str]:
        """The buckets of the hosts, and that of the clusters if the result depends on them."""
        if isinstance(resource, Fault):
            return _buckets((resource.host,), [(resource, entries_of(snapshot, resource))])
        return _buckets(_changed_hosts(snapshot, resource), _affected_faults(snapshot, resource, deleted=False))

    def delete_reads(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[str]:
        """The same for an entry."""
        if isinstance(resource, Fault):
            return iter(())
        return _buckets(resource.hosts, _affected_faults(snapshot, resource, deleted=True))

    def _check_entry(self, snapshot: Snapshot, entry: ServiceEntry, *, deleted: bool) -> Iterator[Finding]:
        for fault, after in _affected_faults(snapshot, entry, deleted=deleted):
            new = self.problems(snapshot, fault, after)
            new = new and new - self.problems(snapshot, fault, entries_of(snapshot, fault))
            if new:
                field = "name" if deleted else self.entry_field if fault.host in entry.hosts else "hosts"
                for _, cause in self.describe(fault, new, after):
                    yield self.finding(
                        field, f"after this change, {cause}", f"clear {fault.name} first, or change it", fault.name
                    )


def entries_of(snapshot: Snapshot, fault: Fault) -> Entries:
    """The entries that register the host of `fault` for workloads that it may affect."""
    return _affected(fault, snapshot.entries_with_host(fault.host).values())


def faults_with_entries(snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[tuple[Fault, ServiceEntry]]:
    """The fault with each entry of its host, or each fault on the entry's hosts with the entry, if both may be on one
    cluster."""
    if isinstance(resource, Fault):
        yield from ((resource, entry) for entry in entries_of(snapshot, resource))
        return
    for host in resource.hosts:
        for fault in snapshot.indexes.faults_on(host).values():
            if may_affect(fault, resource):
                yield fault, resource


def may_affect(fault: Fault, entry: ServiceEntry) -> bool:
    """Whether a fault on a host may affect workloads that get it from `entry`: those of all namespaces if the entry
    belongs to the fault's, and those in the fault's own namespace."""
    shared = entry.namespace == fault.namespace or entry.visible_to(fault.namespace)
    return shared and selectors_overlap(entry.cluster_selector, fault.cluster_selector)


def is_covered(fault: Fault, entries: Entries) -> bool:
    """Whether one of `entries` is on every cluster that the fault is on, whichever clusters exist."""
    return any(includes(entry.cluster_selector, fault.cluster_selector) for entry in entries)


def _affected_faults(snapshot: Snapshot, entry: ServiceEntry, *, deleted: bool) -> Iterator[tuple[Fault, Entries]]:
    """The faults that setting or deleting `entry` affects, each with the entries of its host after the change."""
    for host in _changed_hosts(snapshot, entry):
        for fault in snapshot.indexes.faults_on(host).values():
            after = [other for other in snapshot.entries_with_host(host).values() if other.name != entry.name]
            if not deleted and host in entry.hosts:
                after.append(entry)
            yield fault, _affected(fault, after)


def _changed_hosts(snapshot: Snapshot, entry: ServiceEntry) -> tuple[str, ...]:
    """The hosts of `entry` before and after the change."""
    known = snapshot.entry(entry.name)
    if known is None or known.hosts == entry.hosts:
        return entry.hosts
    return tuple(dict.fromkeys((*entry.hosts, *known.hosts)))


def _affected(fault: Fault, entries: Iterable[ServiceEntry]) -> Entries:
    return [entry for entry in entries if may_affect(fault, entry)]


def _buckets(hosts: Iterable[str], affected: Iterable[tuple[Fault, Entries]]) -> Iterator[str]:
    for host in hosts:
        yield f"host/{host}"
    if not all(is_covered(fault, entries) for fault, entries in affected):
        yield "clusters"
