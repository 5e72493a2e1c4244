"""EGR0205: a fault for a source namespace that it does not affect.

A fault affects the workloads in its own namespace and those that get the host from an entry of that namespace;
source_namespace only narrows that down. So a fault for any other namespace has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.lint.same_host import oldest_first
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry
from egress_server.domain.model.selectors import selectors_overlap
from egress_server.domain.render.host_traffic import provider

_Problem = tuple[str, str, ServiceEntry]


class SourceWithoutEntry(Rule[Fault | ServiceEntry]):
    """At most one finding per fault, on whichever is set last."""

    code = "EGR0205"
    severity = Severity.WARNING
    title = "fault for a namespace that it does not affect"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks all entries of the fault's host on its clusters, or the faults on the entry's hosts."""
        if isinstance(resource, Fault):
            entries = list(snapshot.entries_with_host(resource.host).values())
            if problem := _problem(snapshot, resource, entries):
                cause, fix, used = problem
                yield self.finding("source_namespace", f"{cause}, so the fault has no effect", fix, used.name)
            return
        for host in resource.hosts:
            known = snapshot.entries_with_host(host).values()
            entries = [*(each for each in known if each.name != resource.name), resource]
            for fault in snapshot.indexes.faults_on(host).values():
                problem = _problem(snapshot, fault, entries)
                if problem and problem[2].name == resource.name:
                    cause, fix, _ = problem
                    yield self.finding("export_to", f"{cause}, so {fault.name} has no effect", fix, fault.name)


def _problem(snapshot: Snapshot, fault: Fault, entries: list[ServiceEntry]) -> _Problem | None:
    """Why the fault does not affect its source namespace, the fix, and the entry that decides that."""
    source = fault.source_namespace
    there = (each for each in entries if selectors_overlap(each.cluster_selector, fault.cluster_selector))
    by_age = oldest_first(snapshot, there)
    if not source or not by_age:
        return None
    used = provider(by_age, source)
    if used is None:
        first = by_age[0]
        fix = f"add {source} to export_to of {first.name}, or remove source_namespace"
        return f"{first.name} is not exported to namespace {source}", fix, first
    if fault.namespace in {source, used.namespace}:
        return None
    cause = (
        f"namespace {source} gets {fault.host} from {used.name}, and a fault of namespace {fault.namespace} affects "
        f"only {fault.namespace} and those that use its entries"
    )
    return cause, f"inject the fault in namespace {source}, or in {used.namespace}", used
