"""EGR0709: pods that keep their interception rules.

Interception is written into a pod when it is created, and Istio restarts none. Until a workload is restarted it goes
by what held when its pods were made.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import named, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception, Scope
from egress_server.domain.observed.inventory import Inventory


class StalePods(Rule[Interception]):
    """One finding at most."""

    code = "EGR0709"
    severity = Severity.INFO
    title = "workloads that keep their interception until they are restarted"
    on = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Looks at how many workloads have a sidecar in the scope, on the clusters that the policy selects."""
        clusters = on_clusters(snapshot, policy.cluster_selector, snapshot.inventories)
        counts = ((cluster.id, _workloads(record, policy.scope)) for cluster, record in clusters)
        if where := named(f"{count} on {id_}" for id_, count in counts if count):
            upto = "at most " if policy.scope.match_labels else ""
            yield self.found(
                "scope",
                f"interception is written into a pod when it is created; workloads that keep what they have until they "
                f"are restarted: {upto}{where}",
                "`egressctl cluster stale` lists them, `egressctl cluster restart` restarts them one after the other",
            )


def _workloads(record: Inventory, scope: Scope) -> int:
    """How many are in the scope; those of a namespace where it is for some of its workloads."""
    if scope.namespace:
        return record.workloads.get(scope.namespace, 0)
    return sum(record.workloads.values())
