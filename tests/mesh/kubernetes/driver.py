"""Reconciles one cluster through its target, without store and loop."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from egress_server.domain.desired.effective import effective
from egress_server.domain.diff.plan import ObjectChange, diff
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, MeshPolicyBackend
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import Problem
from egress_server.domain.render import render
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import kubeconfig_connection
from egress_server.targets.kubernetes.observe.observation import KubernetesLive
from egress_server.targets.kubernetes.target import Kubernetes
from tests.mesh.harness.cluster.control_plane import ApiServer
from tests.support.meshes import BIRTH, History, with_orders
from tests.support.waiting import until

CLUSTER = Cluster(
    "meshes/default/clusters/c0",
    KubernetesTarget(mesh_policy=MeshPolicyBackend.SIDECAR),
)


class Driver:
    """What the reconcile loop does with a target, step by step."""

    def __init__(self, server: ApiServer, target: Kubernetes) -> None:
        self.target = target
        self._server = server
        self.cluster = CLUSTER
        self.revision = 0
        self.news = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, server: ApiServer) -> "Driver":
        """With all rights."""
        connection = await kubeconfig_connection(server.kubeconfig().read_text())
        return cls(server, Kubernetes(ApiClient(connection), CLUSTER))

    async def another(self) -> "Driver":
        """Another process that drives the same cluster, as after a restart."""
        return await Driver.open(self._server)

    async def close(self) -> None:
        """Closes the target."""
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        await self.target.close()

    def adopt(self, *names: str) -> None:
        """From now on these objects may be changed."""
        self.cluster = with_orders(self.cluster, adopted=names)

    async def changes(
        self, *resources: Resource, now: datetime = BIRTH
    ) -> tuple[tuple[ObjectChange, ...], dict[str, Problem]]:
        """What would change on the cluster, and what it can't hold."""
        live = await self.target.gather()
        wanted = render(effective(History(self.cluster, *resources).snapshot, self.cluster, now))
        projection = self.target.project(wanted, self.cluster, live)
        return diff(live.objects, projection.objects), dict(projection.obstacles)

    async def drive(self, *resources: Resource, now: datetime = BIRTH) -> dict[str, Problem]:
        """One reconcile towards these resources. Returns the obstacles."""
        changes, obstacles = await self.changes(*resources, now=now)
        self.revision += 1
        applied = await self.target.apply(
            upsert=[change.after for change in changes if change.after is not None],
            delete=[change.key for change in changes if change.after is None],
            witness=None if self.cluster.draining else Witness("epoch", self.revision, "digest", 1),
        )
        return {**obstacles, **applied.obstacles}

    async def let_go(self) -> None:
        """One reconcile that removes everything managed."""
        self.cluster = replace(self.cluster, draining=True)
        assert await self.drive() == {}

    async def look(self) -> KubernetesLive:
        """What the target gathers."""
        live = await self.target.gather()
        assert isinstance(live, KubernetesLive)
        return live

    async def until(self, holds: Callable[[KubernetesLive], Any]) -> KubernetesLive:
        """What the target gathers, once it is as wanted."""

        async def as_wanted() -> KubernetesLive | None:
            live = await self.look()
            return live if holds(live) else None

        live = await until(as_wanted)
        assert live is not None
        return live

    async def until_changed_by(self, *managers: str) -> KubernetesLive:
        """What the target gathers, once each of them is among the last clients that changed managed objects."""
        return await self.until(lambda live: {*managers} <= {*", ".join(live.changed_by.values()).split(", ")})

    async def until_back(self) -> KubernetesLive:
        """What the target gathers, once it can."""
        return await until(self.look, ignoring=TransientError)

    async def _listen(self) -> None:
        async for _ in self.target.changes():
            self.news += 1
