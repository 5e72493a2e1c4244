"""EGR0301: two policies of equal rank for one scope on one cluster.

Among policies for one scope, named clusters take precedence over labels, and labels over all clusters. Of two with the
same rank only the older one takes effect; the newer one is accepted but has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception, OutboundPolicy, Scoped
from egress_server.domain.model.selectors import ClusterSelector, includes, selectors_overlap


class EqualRank(Rule[Scoped]):
    """One finding per other policy."""

    code = "EGR0301"
    severity = Severity.ERROR
    title = "two policies of equal rank for one scope and cluster"
    applies_to = (OutboundPolicy, Interception)
    related_codes = ("IST0110", "IST0111", "KIA0002", "KIA0003")

    def check(self, snapshot: Snapshot, policy: Scoped) -> Iterator[Finding]:
        """Checks the policies of the same kind for the same scope."""
        for other in _equal_rank(snapshot, policy):
            if _always_overlap(policy.cluster_selector, other.cluster_selector) or any(
                other.cluster_selector.selects(cluster) for cluster in snapshot.clusters(policy.cluster_selector)
            ):
                yield self.finding(
                    "cluster_selector",
                    f"{other.name} has the same scope and selects some of the same clusters with equal rank; on these "
                    "the older policy takes effect and the newer one has no effect",
                    f"change {other.name} instead, or select other clusters (named clusters rank above labels, labels "
                    "above all clusters)",
                    other.name,
                )

    def reads(self, snapshot: Snapshot, policy: Scoped) -> Iterator[str]:
        """The bucket of the scope, and that of the clusters if the result depends on them."""
        kind = "outboundPolicies" if isinstance(policy, OutboundPolicy) else "interceptions"
        yield f"scope/{kind}/{policy.scope.key()}"
        mine = policy.cluster_selector
        if any(not _always_overlap(mine, other.cluster_selector) for other in _equal_rank(snapshot, policy)):
            yield "clusters"


def _equal_rank(snapshot: Snapshot, policy: Scoped) -> Iterator[Scoped]:
    mine = policy.cluster_selector
    return (
        other
        for other in snapshot.indexes.same_scope(policy)
        if other.cluster_selector.rank == mine.rank and selectors_overlap(mine, other.cluster_selector)
    )


def _always_overlap(a: ClusterSelector, b: ClusterSelector) -> bool:
    """Whether two selectors of equal rank that may overlap do so whichever clusters exist."""
    return bool(a.clusters) or includes(a, b) or includes(b, a)
