"""EGR0706: REGISTRY_ONLY that does not hold everywhere.

A namespace whose own Sidecar says another mode, pods without a sidecar, and pods that take ports or ranges out by
annotations of their own are not held by a policy for the mesh: what is refused to all others leaves from there.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import SHOWN, named, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.observed.inventory import PolicyGap


class PolicyGaps(Rule[OutboundPolicy]):
    """One finding at most, naming the first gaps."""

    code = "EGR0706"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY that does not hold everywhere"
    on = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Looks at what leaves a gap in the scope, on the clusters that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY or policy.scope.match_labels:
            return
        rows: Iterator[Mapping[str, tuple[PolicyGap, ...]]]
        if policy.scope.namespace:
            rows = iter([snapshot.inventories.policy_gaps(policy.scope.namespace)])
        else:
            rows = snapshot.inventories.namespaces_with_gaps()
        found = chain.from_iterable(on_clusters(snapshot, policy.cluster_selector, row) for row in rows)
        some = [(cluster, gap) for cluster, policy_gaps in islice(found, SHOWN + 1) for gap in policy_gaps[:SHOWN]]
        if some:
            texts = (f"{e.object_kind} {e.namespace}/{e.name} on {cluster.id} ({e.why})" for cluster, e in some)
            yield self.found(
                "mode",
                f"not all in the scope is held by it: {named(texts)}; what is refused to others leaves from there",
                "`egressctl cluster gaps` lists every gap, with the reasons",
            )
