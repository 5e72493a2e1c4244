"""EGR0502: two directory clusters in one folder.

Each takes what carries our label there for its own, and takes away what it does not want: the two would undo each
other's files for ever.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Cluster, TargetKind


class SharedDirectory(Rule[Cluster]):
    """One finding at most."""

    code = "EGR0502"
    severity = Severity.ERROR
    title = "two directory clusters in one folder"
    on = (Cluster,)

    def check(self, snapshot: Snapshot, cluster: Cluster) -> Iterator[Finding]:
        """Looks at the other clusters."""
        if cluster.target is not TargetKind.DIRECTORY:
            return
        folder = _folder(cluster)
        for other in snapshot.clusters():
            if other.id != cluster.id and other.target is TargetKind.DIRECTORY and _folder(other) == folder:
                yield self.found(
                    "directory.path",
                    f"cluster {other.id} is in folder {folder!r} already, and each of the two would take away the "
                    "other's files",
                    "give each cluster a path of its own",
                    other.name,
                )
                return

    def reads(self, _: Snapshot, cluster: Cluster) -> Iterator[str]:
        """Which clusters there are."""
        if cluster.target is TargetKind.DIRECTORY:
            yield "clusters"


def _folder(cluster: Cluster) -> str:
    return cluster.path or cluster.id
