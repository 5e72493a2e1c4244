"""EGR0205: a fault for a source namespace that can't see the host's entry.

The fault is exported to the same namespaces as the entry. Sidecars of a namespace that sees neither of them get no
fault, so a fault for that namespace alone has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of, faults_with_entries
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry


class SourceWithoutEntry(Rule[Fault | ServiceEntry]):
    """At most one finding per fault, on whichever is set last."""

    code = "EGR0205"
    severity = Severity.WARNING
    title = "fault for a namespace that can't see the host's entry"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        seen: set[str] = set()
        for fault, entry in faults_with_entries(snapshot, resource):
            source = fault.source_namespace
            others = (other for other in entries_of(snapshot, fault) if other.name != entry.name)
            if not source or fault.name in seen or any(each.visible_to(source) for each in (entry, *others)):
                continue
            seen.add(fault.name)
            is_fault = resource is fault
            yield self.finding(
                "source_namespace" if is_fault else "export_to",
                f"{entry.name} is not exported to namespace {source}, and a fault is exported to the same namespaces "
                f"as its entry, so {'the fault' if is_fault else fault.name} has no effect",
                f"add {source} to export_to of {entry.name}, or remove source_namespace",
                entry.name if is_fault else fault.name,
            )
