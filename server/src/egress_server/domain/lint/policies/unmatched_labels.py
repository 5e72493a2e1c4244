"""EGR0504: a cluster selector whose labels match no cluster.

The change is accepted and reaches no cluster. It will once a cluster has the labels, which may be intended.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Selected, ServiceEntry


class UnmatchedLabels(Rule[Selected]):
    """At most one finding."""

    code = "EGR0504"
    severity = Severity.WARNING
    title = "cluster selector whose labels match no cluster"
    applies_to = (ServiceEntry, Fault, OutboundPolicy, Interception)

    def check(self, snapshot: Snapshot, resource: Selected) -> Iterator[Finding]:
        """Checks the labels of the registered clusters."""
        wanted = resource.cluster_selector.match_labels
        if wanted and not snapshot.has_cluster(resource.cluster_selector):
            labels = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
            yield self.finding(
                "cluster_selector.match_labels",
                f"no registered cluster has the labels {labels}, so the change has no effect until one does",
                "correct the labels; no change is needed if such a cluster is still to be registered",
            )
