"""Reconciles one cluster through its target, without store and loop."""

from collections.abc import Callable
from typing import Any

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, MeshPolicyBackend
from egress_server.domain.model.errors import TransientError
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import kubeconfig_connection
from egress_server.targets.kubernetes.observe.observation import KubernetesLive
from egress_server.targets.kubernetes.target import Kubernetes
from tests.mesh.harness.cluster.control_plane import ApiServer
from tests.support.meshes import BIRTH, with_orders
from tests.support.target_driver import TargetDriver
from tests.support.waiting import until

CLUSTER = Cluster(
    "meshes/default/clusters/c0",
    KubernetesTarget(mesh_policy=MeshPolicyBackend.SIDECAR),
)


class Driver(TargetDriver):
    """A process that manages the cluster of `server`. Resources are created at BIRTH."""

    def __init__(self, server: ApiServer, target: Kubernetes) -> None:
        super().__init__(target, CLUSTER)
        self.born = BIRTH
        self._server = server

    @classmethod
    async def open(cls, server: ApiServer) -> "Driver":
        """With all rights."""
        connection = await kubeconfig_connection(server.kubeconfig().read_text())
        return cls(server, Kubernetes(ApiClient(connection), CLUSTER))

    async def another(self) -> "Driver":
        """Another process that manages the same cluster, as after a restart."""
        return await Driver.open(self._server)

    def adopt(self, *names: str) -> None:
        """From now on these objects may be changed."""
        self.cluster = with_orders(self.cluster, adopted=names)

    async def live(self) -> KubernetesLive:
        """What the target gathers."""
        live = await super().live()
        assert isinstance(live, KubernetesLive)
        return live

    async def until(self, holds: Callable[[KubernetesLive], Any]) -> KubernetesLive:
        """What the target gathers, once it is as wanted."""

        async def as_wanted() -> KubernetesLive | None:
            live = await self.live()
            return live if holds(live) else None

        live = await until(as_wanted)
        assert live is not None
        return live

    async def until_changed_by(self, *managers: str) -> KubernetesLive:
        """What the target gathers, once each of them is among the last clients that changed managed objects."""
        return await self.until(lambda live: {*managers} <= {*", ".join(live.changed_by.values()).split(", ")})

    async def until_reachable(self) -> KubernetesLive:
        """What the target gathers, once it can."""
        return await until(self.live, ignoring=TransientError)
