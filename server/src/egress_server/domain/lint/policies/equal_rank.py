"""EGR0301: two policies of equal rank for one scope on one cluster.

Of two policies for one scope, named clusters beat labels beat all. Of two with the same rank only one can hold: the
older does, and the newer one is accepted and does nothing.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ClusterSelector, Interception, OutboundPolicy, Scoped
from egress_server.domain.model.selectors import includes, selectors_overlap


class EqualRank(Rule[Scoped]):
    """One finding for each other policy."""

    code = "EGR0301"
    severity = Severity.ERROR
    title = "two policies of equal rank for one scope and cluster"
    on = (OutboundPolicy, Interception)
    related_codes = ("IST0110", "IST0111", "KIA0002", "KIA0003")

    def check(self, snapshot: Snapshot, policy: Scoped) -> Iterator[Finding]:
        """Looks at the policies of the same kind for the same scope."""
        for other in _rivals(snapshot, policy):
            if _is_sure(policy.cluster_selector, other.cluster_selector) or any(
                other.cluster_selector.selects(cluster) for cluster in snapshot.clusters(policy.cluster_selector)
            ):
                yield self.found(
                    "cluster_selector",
                    f"{other.name} is for the same scope and selects some of the same clusters in the same way; there "
                    "the older one holds and the other does nothing",
                    f"change {other.name} instead, or select other clusters (names beat labels beat all)",
                    other.name,
                )

    def reads(self, snapshot: Snapshot, policy: Scoped) -> Iterator[str]:
        """The bucket of the scope, and that of the clusters where it depends on which there are."""
        kind = "outboundPolicies" if isinstance(policy, OutboundPolicy) else "interceptions"
        yield f"scope/{kind}/{policy.scope.key()}"
        if any(not _is_sure(policy.cluster_selector, o.cluster_selector) for o in _rivals(snapshot, policy)):
            yield "clusters"


def _rivals(snapshot: Snapshot, policy: Scoped) -> Iterator[Scoped]:
    mine = policy.cluster_selector
    return (
        other
        for other in snapshot.indexes.rivals(policy)
        if other.cluster_selector.rank == mine.rank and selectors_overlap(mine, other.cluster_selector)
    )


def _is_sure(a: ClusterSelector, b: ClusterSelector) -> bool:
    """Whether two selectors of one rank that may overlap do so whatever clusters there are."""
    return bool(a.clusters) or includes(a, b) or includes(b, a)
