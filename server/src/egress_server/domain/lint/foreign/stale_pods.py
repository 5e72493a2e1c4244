"""EGR0709: workloads that keep their interception rules until they are restarted.

Interception is written into a pod when it is created, and Istio does not restart pods. Until a workload is restarted,
the rules from the creation of its pods apply.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_names, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Inventory


class StalePods(Rule[Interception]):
    """At most one finding."""

    code = "EGR0709"
    severity = Severity.INFO
    title = "workloads that keep old interception rules until restarted"
    applies_to = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Checks the number of workloads with a sidecar in the scope, on the clusters that the policy selects."""
        clusters = on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        counts = ((cluster.id, _workloads(inventory, policy.scope)) for cluster, inventory in clusters)
        if texts := first_names(f"{count} on {id_}" for id_, count in counts if count):
            most = "at most " if policy.scope.match_labels else ""
            yield self.finding(
                "scope",
                "interception is written into a pod when it is created; the number of workloads that keep their old "
                f"rules until they are restarted is {most}{texts}",
                "run `egressctl cluster stale` to list them and `egressctl cluster restart` for a rolling restart",
            )


def _workloads(inventory: Inventory, scope: Scope) -> int:
    """The number of workloads in the scope; with labels, the number in its namespace."""
    if scope.namespace:
        return inventory.workloads.get(scope.namespace, 0)
    return sum(inventory.workloads.values())
