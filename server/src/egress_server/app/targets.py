"""Which target drives which kind of cluster, and which clusters this process may drive at all."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from egress_server.app.local_clusters import LocalClusters
from egress_server.app.own_way import DirectAccess
from egress_server.domain.model.clusters import Cluster, DirectoryTarget, KubernetesTarget, LocalTarget
from egress_server.domain.model.errors import PermanentError
from egress_server.ports.identity import Sealer
from egress_server.ports.target import Target
from egress_server.targets.directory.target import YamlDirectoryTarget
from egress_server.targets.kubernetes.factory import open_kubernetes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What this process can reach: a folder for clusters of kind directory, local clusters of these ids, one cluster by
    a way of its own, Kubernetes clusters by their registration. `only` names those that it may drive (none: all).
    `alone` says that nobody else drives clusters."""

    directory_root: Path | None = None
    local: Collection[str] = ()
    own_way: DirectAccess | None = None
    only: Collection[str] = ()
    alone: bool = False


class TargetFactory:
    """See ports.target.Targets."""

    def __init__(self, reach: Reach, sealer: Sealer, local: LocalClusters | None = None) -> None:
        self._reach = reach
        self._sealer = sealer
        self._local = local

    def drives(self, cluster: Cluster) -> bool:
        """See the port. Where nobody else could, it drives all of them: what it can't do is then told as their
        status."""
        reach = self._reach
        if reach.alone:
            return True
        if reach.only and cluster.id not in reach.only:
            return False
        match cluster.target:
            case LocalTarget():
                return cluster.id in reach.local
            case DirectoryTarget():
                return reach.directory_root is not None
            case KubernetesTarget() as target:
                return reach.own_way is not None or _has_credentials(target)

    async def open(self, cluster: Cluster) -> Target:
        """See the port."""
        match cluster.target:
            case LocalTarget() if self._local is not None:
                return await self._local.open(cluster)
            case LocalTarget():
                raise PermanentError("UNSUPPORTED", "a local cluster lives beside `egressd run`, not here")
            case DirectoryTarget(path=path):
                return self._directory(path or cluster.id)
            case KubernetesTarget() if self._reach.own_way is not None:
                return await self._reach.own_way.open(cluster)
            case KubernetesTarget() as target if _has_credentials(target):
                return await open_kubernetes(cluster, self._sealer)
            case KubernetesTarget():
                raise PermanentError(
                    "CREDENTIALS_MISSING",
                    "the registration does not say how the cluster is reached: register it again with a kubeconfig, or "
                    "start `egressd apply` with a way of its own to it",
                )

    async def forget(self, cluster_id: str) -> None:
        """See the port."""
        if self._local is not None:
            await self._local.forget(cluster_id)

    def _directory(self, path: str) -> YamlDirectoryTarget:
        if self._reach.directory_root is None:
            raise PermanentError(
                "DIRECTORY_TARGETS_DISABLED",
                "directory targets are disabled; start egressd with --directory-root",
            )
        return YamlDirectoryTarget(self._reach.directory_root, path)


def _has_credentials(target: KubernetesTarget) -> bool:
    return bool(target.kubeconfig or target.secret or target.in_cluster)
