"""Which target serves which kind of cluster, and which clusters this process may reconcile at all."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from egress_server.app.local_clusters import LocalClusters
from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    KubernetesTarget,
    LocalTarget,
    kubernetes_settings,
)
from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.ports.identity import Sealer
from egress_server.ports.target import Target
from egress_server.targets.directory.target import YamlDirectoryTarget
from egress_server.targets.kubernetes.factory import open_kubernetes
from egress_server.targets.kubernetes.target import Kubernetes


@dataclass(frozen=True, slots=True)
class DirectAccess:
    """An applier's own access to its one Kubernetes cluster, instead of what the registration says: the service account
    of its pod, or a `kubeconfig` and its `context`.

    The credentials of such a cluster need not be stored anywhere else, and the applier finds the cluster even if it is
    started without a store. `cluster` is an id.
    """

    cluster: str
    kubeconfig: Path | None = None
    context: str = ""

    def registration(self, mesh: str) -> Cluster:
        """What is known of the cluster without the store."""
        name = str(Name(mesh, ResourceKind.CLUSTER, self.cluster))
        return Cluster(name, KubernetesTarget())

    async def open(self, cluster: Cluster) -> Kubernetes:
        """The target. Raises as open_kubernetes, and PermanentError if the file can't be read."""
        registered = kubernetes_settings(cluster)
        if self.kubeconfig is None:
            reached = replace(registered, kubeconfig="", secret="", in_cluster=True)
        else:
            try:
                text = await asyncio.to_thread(self.kubeconfig.read_text)
            except (OSError, UnicodeDecodeError) as error:
                raise PermanentError("CREDENTIALS_REFUSED", f"can't read {self.kubeconfig}: {error}") from None
            reached = replace(registered, kubeconfig=text, context=self.context)
        return await open_kubernetes(replace(cluster, target=reached), _Unsealed())


class _Unsealed:
    """A local kubeconfig file is not sealed (see ports.identity.Sealer)."""

    def seal(self, text: str) -> str:
        """The text as it is."""
        return text

    def open(self, sealed: str) -> str:
        """The text as it is."""
        return sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What this process can reach: a folder for directory clusters, local clusters with these ids, one cluster by
    direct access, Kubernetes clusters by their registered credentials. `only` restricts it to these clusters (empty:
    no restriction). `exclusive` means that no other process can reconcile clusters of this store."""

    directory_root: Path | None = None
    local: Collection[str] = ()
    direct: DirectAccess | None = None
    only: Collection[str] = ()
    exclusive: bool = False


class TargetFactory:
    """See ports.target.Targets."""

    def __init__(self, reach: Reach, sealer: Sealer, local: LocalClusters | None = None) -> None:
        self._reach = reach
        self._sealer = sealer
        self._local = local

    def drives(self, cluster: Cluster) -> bool:
        """See the port. An exclusive process takes all clusters: why it can't serve one is then shown as its status."""
        reach = self._reach
        if reach.exclusive:
            return True
        if reach.only and cluster.id not in reach.only:
            return False
        match cluster.target:
            case LocalTarget():
                return cluster.id in reach.local
            case DirectoryTarget():
                return reach.directory_root is not None
            case KubernetesTarget() as target:
                return reach.direct is not None or _has_credentials(target)

    async def open(self, cluster: Cluster) -> Target:
        """See the port."""
        match cluster.target:
            case LocalTarget() if self._local is not None:
                return await self._local.open(cluster)
            case LocalTarget():
                raise PermanentError("UNSUPPORTED", "local clusters are only available in `egressd run`")
            case DirectoryTarget(path=path):
                return self._directory(path or cluster.id)
            case KubernetesTarget() if self._reach.direct is not None:
                return await self._reach.direct.open(cluster)
            case KubernetesTarget() as target if _has_credentials(target):
                return await open_kubernetes(cluster, self._sealer)
            case KubernetesTarget():
                raise PermanentError(
                    "CREDENTIALS_MISSING",
                    "the cluster is registered without credentials: register it again with a kubeconfig, or start "
                    "`egressd apply` with --in-cluster or --kubeconfig",
                )

    async def forget(self, cluster_id: str) -> None:
        """See the port."""
        if self._local is not None:
            await self._local.forget(cluster_id)

    def _directory(self, path: str) -> YamlDirectoryTarget:
        if self._reach.directory_root is None:
            raise PermanentError(
                "DIRECTORY_TARGETS_DISABLED",
                "directory clusters are disabled; start egressd with --directory-root",
            )
        return YamlDirectoryTarget(self._reach.directory_root, path)


def _has_credentials(target: KubernetesTarget) -> bool:
    return bool(target.kubeconfig or target.secret or target.in_cluster)
