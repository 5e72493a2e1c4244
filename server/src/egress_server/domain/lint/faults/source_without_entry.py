"""EGR0205: a fault for a source namespace that can't see the host's entry.

The fault is exported to the same namespaces as the entry. Sidecars of a namespace that sees neither of them get no
fault, so a fault for that namespace alone has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault


class SourceWithoutEntry(Rule[Fault]):
    """At most one finding."""

    code = "EGR0205"
    severity = Severity.WARNING
    title = "fault for a namespace that can't see the host's entry"
    applies_to = (Fault,)

    def check(self, snapshot: Snapshot, fault: Fault) -> Iterator[Finding]:
        """Checks the entries of the fault's host."""
        source, entries = fault.source_namespace, entries_of(snapshot, fault)
        if source and entries and not any(entry.visible_to(source) for entry in entries):
            yield self.finding(
                "source_namespace",
                f"{entries[0].name} is not exported to namespace {source}, and a fault is exported to the same "
                "namespaces as its entry, so the fault has no effect",
                f"add {source} to export_to of {entries[0].name}, or remove source_namespace",
                entries[0].name,
            )
