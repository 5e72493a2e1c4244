"""One cluster's target: opened when it is needed, opened anew when the registration says another place."""

import asyncio
from dataclasses import replace

from egress_server.delivery.context import ApplierContext
from egress_server.domain.model.clusters import Cluster, ClusterTarget
from egress_server.domain.model.errors import TransientError
from egress_server.ports.target import Target


class TargetHandle:
    """The target of `cluster` as long as somebody works with it."""

    def __init__(self, cluster: str, shop: ApplierContext) -> None:
        self._cluster = cluster
        self._shop = shop
        self._opened: tuple[Cluster, Target] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> Target:
        """The target; raises TransientError or PermanentError where it can't be opened."""
        async with self._lock:
            cluster = self._shop.replica.snapshot.cluster(self._cluster)
            if cluster is None:
                raise TransientError("NOT_REGISTERED", f"cluster {self._cluster} is no longer registered")
            if self._opened is not None and _access(self._opened[0]) != _access(cluster):
                await self.close()
                await self._shop.targets.forget(self._cluster)
            if self._opened is None:
                self._opened = cluster, await self._shop.targets.open(cluster)
            return self._opened[1]

    async def close(self) -> None:
        """Lets go of it. Harmless where it is not open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].close()


def _access(cluster: Cluster) -> ClusterTarget:
    """How the cluster is reached. Its service ranges do not matter to an open target."""
    return replace(cluster.target, service_cidrs=())
