"""EGR0706: REGISTRY_ONLY that is not enforced everywhere.

A mesh-wide policy does not apply to a namespace whose own Sidecar sets another mode, to pods without a sidecar, and to
pods whose annotations exclude ports or ranges: from there, connections that are blocked elsewhere leave the mesh.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import SHOWN, first_names, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.observed.inventory import PolicyGap, PolicyGapKind


class UnenforcedRegistryOnly(Rule[OutboundPolicy]):
    """At most one finding, which names the first policy gaps."""

    code = "EGR0706"
    severity = Severity.WARNING
    title = "REGISTRY_ONLY that is not enforced everywhere"
    applies_to = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks the policy gaps in the scope, on the clusters that the policy selects."""
        if policy.mode is not OutboundMode.REGISTRY_ONLY or policy.scope.match_labels:
            return
        rows: Iterator[Mapping[str, tuple[PolicyGap, ...]]]
        if policy.scope.namespace:
            rows = iter([snapshot.inventories.policy_gaps(policy.scope.namespace)])
        else:
            rows = snapshot.inventories.namespaces_with_gaps()
        found = chain.from_iterable(on_clusters(snapshot, policy.cluster_selector, row) for row in rows)
        first = [
            (cluster, gap)
            for cluster, gaps in islice(found, SHOWN + 1)
            for gap in gaps[:SHOWN]
            if gap.kind is not PolicyGapKind.INTERCEPTION  # EGR0404 covers those
        ]
        if first:
            texts = (f"{e.object_kind} {e.namespace}/{e.name} on {cluster.id} ({e.why})" for cluster, e in first)
            yield self.finding(
                "mode",
                f"the policy is not enforced for {first_names(texts)}; connections that are blocked elsewhere leave "
                "the mesh from there",
                "run `egressctl cluster gaps` for a list of all gaps and their reasons",
            )
