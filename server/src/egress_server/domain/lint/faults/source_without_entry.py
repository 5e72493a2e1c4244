"""EGR0205: a fault for a source namespace that it does not affect.

A fault affects the workloads in its own namespace and those that get the host from an entry of that namespace;
source_namespace only narrows that down. So a fault for any other namespace has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.lint.same_host import oldest_first
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault
from egress_server.domain.model.selectors import selectors_overlap
from egress_server.domain.render.host_traffic import provider


class SourceWithoutEntry(Rule[Fault]):
    """At most one finding."""

    code = "EGR0205"
    severity = Severity.WARNING
    title = "fault for a namespace that it does not affect"
    applies_to = (Fault,)

    def check(self, snapshot: Snapshot, fault: Fault) -> Iterator[Finding]:
        """Checks all entries of the fault's host on its clusters."""
        source, everything = fault.source_namespace, snapshot.entries_with_host(fault.host).values()
        entries = oldest_first(
            snapshot, (each for each in everything if selectors_overlap(each.cluster_selector, fault.cluster_selector))
        )
        if not source or not entries:
            return
        used = provider(entries, source)
        if used is None:
            yield self.finding(
                "source_namespace",
                f"{entries[0].name} is not exported to namespace {source}, so the fault has no effect there",
                f"add {source} to export_to of {entries[0].name}, or remove source_namespace",
                entries[0].name,
            )
        elif fault.namespace not in {source, used.namespace}:
            yield self.finding(
                "source_namespace",
                f"namespace {source} gets {fault.host} from {used.name}, and a fault of namespace {fault.namespace} "
                f"affects only {fault.namespace} and those that use its entries, so the fault has no effect",
                f"inject the fault in namespace {source}, or in {used.namespace}",
                used.name,
            )
