"""Which target drives which kind of cluster."""

from egress_server.app.local_clusters import LocalClusters
from egress_server.config import Settings
from egress_server.domain.errors import PermanentError
from egress_server.domain.resources import Cluster, TargetKind
from egress_server.ports.secrets import Sealer
from egress_server.ports.target import Target
from egress_server.targets.directory.target import DirectoryTarget
from egress_server.targets.kubernetes.opening import open_kubernetes


class Targets:
    """See ports.target.Targets."""

    def __init__(self, settings: Settings, local: LocalClusters, sealer: Sealer) -> None:
        self._directory_root = settings.directory_root
        self._local = local
        self._sealer = sealer

    async def open(self, cluster: Cluster) -> Target:
        """See the port."""
        match cluster.target:
            case TargetKind.LOCAL:
                return await self._local.open(cluster)
            case TargetKind.DIRECTORY:
                return self._directory(cluster)
            case TargetKind.KUBERNETES:
                return await open_kubernetes(cluster, self._sealer)

    async def forget(self, cluster_id: str) -> None:
        """See the port."""
        await self._local.forget(cluster_id)

    def _directory(self, cluster: Cluster) -> DirectoryTarget:
        if self._directory_root is None:
            raise PermanentError(
                "DIRECTORIES_OFF", "this egressd writes to no folders; start it with --directory-root to allow one"
            )
        return DirectoryTarget(self._directory_root, cluster.path or cluster.id)
