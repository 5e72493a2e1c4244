"""What the blocking rules of faults share: a fault and the entries of its host are looked at from both sides.

Whichever of the two comes last is the one to be refused; and an entry is blamed only for what its change brings.
A fault hangs on exactly its host: a VirtualService sends requests on to the host it names, and where only a wildcard
registers that there is no such cluster.
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
    """A rule about a fault and the entries that register its host on clusters it may be on."""

    on = (Fault, ServiceEntry)
    fix: ClassVar[str]
    entry_field: ClassVar[str]
    """Where an entry that keeps the host brings the problem."""

    @abstractmethod
    def problems(self, snapshot: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """Keys of what is wrong with the fault beside these entries."""

    @abstractmethod
    def explain(self, fault: Fault, problems: Collection[str], entries: Entries) -> Iterable[tuple[str, str]]:
        """Fields of the fault and causes, for some of its problems."""

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Looks at the entries of the fault's host, or at the faults on the entry's hosts."""
        if isinstance(resource, ServiceEntry):
            yield from self._changed(snapshot, resource, deleted=False)
            return
        entries = entries_of(snapshot, resource)
        if problems := self.problems(snapshot, resource, entries):
            for field, cause in self.explain(resource, problems, entries):
                yield self.found(field, cause, self.fix)

    def check_delete(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Only an entry is missed by somebody."""
        if isinstance(resource, ServiceEntry):
            yield from self._changed(snapshot, resource, deleted=True)

    def reads(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[str]:
        """The buckets of the hosts, and that of the clusters where it depends on which there are."""
        if isinstance(resource, Fault):
            return _buckets((resource.host,), [(resource, entries_of(snapshot, resource))])
        return _buckets(_changed_hosts(snapshot, resource), _meetings(snapshot, resource, deleted=False))

    def delete_reads(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[str]:
        """The same for an entry."""
        if isinstance(resource, Fault):
            return iter(())
        return _buckets(resource.hosts, _meetings(snapshot, resource, deleted=True))

    def _changed(self, snapshot: Snapshot, entry: ServiceEntry, *, deleted: bool) -> Iterator[Finding]:
        for fault, after in _meetings(snapshot, entry, deleted=deleted):
            brought = self.problems(snapshot, fault, after)
            brought = brought and brought - self.problems(snapshot, fault, entries_of(snapshot, fault))
            if brought:
                field = "name" if deleted else self.entry_field if fault.host in entry.hosts else "hosts"
                for _, cause in self.explain(fault, brought, after):
                    yield self.found(
                        field, f"with this change {cause}", f"clear {fault.name} first, or change it", fault.name
                    )


def entries_of(snapshot: Snapshot, fault: Fault) -> Entries:
    """The entries that register the host of `fault` on clusters it may be on."""
    return _meeting(fault, snapshot.entries_with_host(fault.host).values())


def is_covered(fault: Fault, entries: Entries) -> bool:
    """Whether one of `entries` is wherever the fault is, whatever clusters there are."""
    return any(includes(entry.cluster_selector, fault.cluster_selector) for entry in entries)


def _meetings(snapshot: Snapshot, entry: ServiceEntry, *, deleted: bool) -> Iterator[tuple[Fault, Entries]]:
    """The faults that setting or deleting `entry` concerns, each with the entries it meets then."""
    for host in _changed_hosts(snapshot, entry):
        for fault in snapshot.indexes.faults_on(host).values():
            after = [other for other in snapshot.entries_with_host(host).values() if other.name != entry.name]
            if not deleted and host in entry.hosts:
                after.append(entry)
            yield fault, _meeting(fault, after)


def _changed_hosts(snapshot: Snapshot, entry: ServiceEntry) -> tuple[str, ...]:
    """The hosts of `entry` as it will be and as it is."""
    known = snapshot.entry(entry.name)
    if known is None or known.hosts == entry.hosts:
        return entry.hosts
    return tuple(dict.fromkeys((*entry.hosts, *known.hosts)))


def _meeting(fault: Fault, entries: Iterable[ServiceEntry]) -> Entries:
    return [entry for entry in entries if selectors_overlap(entry.cluster_selector, fault.cluster_selector)]


def _buckets(hosts: Iterable[str], meetings: Iterable[tuple[Fault, Entries]]) -> Iterator[str]:
    for host in hosts:
        yield f"host/{host}"
    if not all(is_covered(fault, entries) for fault, entries in meetings):
        yield "clusters"
