"""EGR0120: an entry exported to a namespace that no cluster has.

Mostly a typo: Istio accepts any name, the workloads of the namespace that was meant don't see the entry, and
nothing says why. If all namespaces are unknown, EGR0110 reports it.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import all_reported
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, NO_NAMESPACE


class UnknownExport(Rule[ServiceEntry]):
    """One finding per namespace, once clusters have reported theirs."""

    code = "EGR0120"
    severity = Severity.WARNING
    title = "entry exported to a namespace that no cluster has"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA0005",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the namespaces that policy refers to, and those of the clusters."""
        unknown = [
            index
            for index, to in enumerate(entry.export_to)
            if to not in {".", ANY_NAMESPACE, NO_NAMESPACE, entry.namespace} and not snapshot.knows_namespace(to)
        ]
        # Clusters that have not reported their namespaces may have any.
        if len(unknown) == len(entry.export_to) or not all_reported(snapshot, entry.cluster_selector):
            return
        for index in unknown:
            yield self.finding(
                f"export_to[{index}]",
                f"no cluster has a namespace {entry.export_to[index]}, and no other resource names it, so the "
                "export has no effect",
                "correct the name; no change is needed if the namespace is still to be created",
            )
