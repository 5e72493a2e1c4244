"""One cluster's target: opened when it is first needed, and again when its registration says that it has moved."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from egress_server.domain.model.clusters import Cluster, ClusterTarget
from egress_server.domain.model.errors import TransientError
from egress_server.ports.target import Target, Targets


class TargetHandle:
    """The target of the cluster with this id. `registration` returns how it is registered now; None if it is not."""

    def __init__(self, cluster: str, registration: Callable[[], Cluster | None], targets: Targets) -> None:
        self._cluster = cluster
        self._registration = registration
        self._targets = targets
        self._opened: tuple[Cluster, Target] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> Target:
        """The open target. Raises TransientError or PermanentError if it can't be opened."""
        async with self._lock:
            cluster = self._registration()
            if cluster is None:
                raise TransientError("NOT_REGISTERED", f"cluster {self._cluster} is no longer registered")
            if self._opened is not None and _access(self._opened[0]) != _access(cluster):
                await self.close()
                await self._targets.forget(self._cluster)
            if self._opened is None:
                self._opened = cluster, await self._targets.open(cluster)
            return self._opened[1]

    async def close(self) -> None:
        """Closes the target. Harmless if it is not open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].close()


def _access(cluster: Cluster) -> ClusterTarget:
    """How the cluster is reached. Its service ranges do not matter to an open target."""
    return replace(cluster.target, service_cidrs=())
