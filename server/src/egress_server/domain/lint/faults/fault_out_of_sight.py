"""EGR0205: a fault for a source namespace that does not see the host's entry.

The fault is exported as the entry is. Sidecars of a namespace that does not see them get neither, so a fault that is
only for such a namespace disturbs nobody.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault


class FaultOutOfSight(Rule[Fault]):
    """One finding at most."""

    code = "EGR0205"
    severity = Severity.WARNING
    title = "a fault for a namespace that does not see the host's entry"
    on = (Fault,)

    def check(self, snapshot: Snapshot, fault: Fault) -> Iterator[Finding]:
        """Looks at the entries of the fault's host."""
        source, entries = fault.source_namespace, entries_of(snapshot, fault)
        if source and entries and not any(entry.visible_to(source) for entry in entries):
            yield self.found(
                "source_namespace",
                f"{entries[0].name} is not exported to namespace {source}, and the fault goes where the entry goes; it "
                "disturbs nobody",
                f"add {source} to export_to of {entries[0].name}, or leave source_namespace out",
                entries[0].name,
            )
