"""EGR0502: two directory clusters in one directory.

Each of them considers every file with the managed-by label its own and removes those that it does not want: the two
would keep undoing each other's changes.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster, DirectoryTarget
from egress_server.domain.model.findings import Finding, Severity


class SharedDirectory(Rule[Cluster]):
    """At most one finding."""

    code = "EGR0502"
    severity = Severity.ERROR
    title = "two directory clusters in one directory"
    applies_to = (Cluster,)

    def check(self, snapshot: Snapshot, cluster: Cluster) -> Iterator[Finding]:
        """Checks the other clusters."""
        directory = _directory(cluster)
        if directory is None:
            return
        for other in snapshot.clusters():
            if other.id != cluster.id and _directory(other) == directory:
                yield self.finding(
                    "directory.path",
                    f"cluster {other.id} already uses directory {directory!r}, and each of the two would remove the "
                    "other's files",
                    "give each cluster a path of its own",
                    other.name,
                )
                return

    def reads(self, _: Snapshot, cluster: Cluster) -> Iterator[str]:
        """The bucket of the clusters."""
        if _directory(cluster) is not None:
            yield "clusters"


def _directory(cluster: Cluster) -> str | None:
    return (cluster.target.path or cluster.id) if isinstance(cluster.target, DirectoryTarget) else None
