"""EGR0503: a cluster selector with a cluster that is not registered.

Mostly a typo. The change is accepted, but no applier brings it to the cluster that was meant, and a wait for it has
nothing to wait for.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Selected, ServiceEntry


class UnknownCluster(Rule[Selected]):
    """One finding per cluster."""

    code = "EGR0503"
    severity = Severity.ERROR
    title = "cluster selector with a cluster that is not registered"
    suppressible = True
    applies_to = (ServiceEntry, Fault, OutboundPolicy, Interception)

    def check(self, snapshot: Snapshot, resource: Selected) -> Iterator[Finding]:
        """Checks the named clusters."""
        for index, id_ in enumerate(resource.cluster_selector.clusters):
            if snapshot.cluster(id_) is None:
                yield self.finding(
                    f"cluster_selector.clusters[{index}]",
                    f"no cluster {id_} is registered in this mesh, so the change does not reach it",
                    "correct the name, register the cluster first, or suppress this finding if it is still to be "
                    "registered",
                )

    def reads(self, _snapshot: Snapshot, resource: Selected) -> Iterator[str]:
        """The bucket of the clusters, if some are named."""
        if resource.cluster_selector.clusters:
            yield "clusters"
