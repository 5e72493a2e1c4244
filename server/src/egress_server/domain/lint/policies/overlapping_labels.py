"""EGR0310: two policies whose labels may select the same workload.

Of several Sidecars that select a workload, Istio uses the oldest. With labels app=a and tier=web on two policies, a
workload with both labels gets the mode of the older one, although each policy alone is right.
"""

from collections.abc import Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import EXAMINED, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundPolicy
from egress_server.domain.model.selectors import Labels, selectors_overlap
from egress_server.domain.observed.foreign_config import sidecar_name


class OverlappingLabels(Rule[OutboundPolicy]):
    """At most one finding, about the first policy or unmanaged Sidecar with another mode."""

    code = "EGR0310"
    severity = Severity.WARNING
    title = "policies whose labels may select the same workload"
    applies_to = (OutboundPolicy,)
    related_codes = ("IST0110", "KIA0003")

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks the policies and Sidecars with labels in the same namespace. EGR0301 covers equal labels."""
        mine = policy.scope.match_labels
        if not mine:
            return
        found = next(_overlapping(snapshot, policy), None)
        if found:
            other, labels, resource = found
            yield self.finding(
                "scope.match_labels",
                f"{other} selects workloads with {_text(labels)}, and workloads with {_text({**mine, **labels})} are "
                "selected by both: Istio uses the older Sidecar only",
                "use labels that no workload can have together, such as two values of one label",
                resource,
            )


def _overlapping(snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[tuple[str, Labels, str]]:
    namespace, mine = policy.scope.namespace, policy.scope.match_labels
    for other in islice(snapshot.indexes.labelled_policies(namespace), EXAMINED):
        theirs = other.scope.match_labels
        together = selectors_overlap(other.cluster_selector, policy.cluster_selector)
        differs = other.name != policy.name and other.mode is not policy.mode and theirs != mine
        if together and differs and _may_overlap(mine, theirs):
            yield other.name, theirs, other.name
    rows = snapshot.inventories.labelled_sidecars(namespace)
    for cluster, sidecars in on_clusters(snapshot, policy.cluster_selector, rows):
        for sidecar in sidecars:
            if sidecar.mode != policy.mode.value and _may_overlap(mine, sidecar.match_labels):
                yield f"{sidecar_name(sidecar)} on cluster {cluster.id}", sidecar.match_labels, ""


def _may_overlap(a: Labels, b: Labels) -> bool:
    return all(b.get(key, value) == value for key, value in a.items())


def _text(labels: Labels) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
