"""Drives a cluster through its target as the delivery loop does, but step by step and without a store."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from egress_server.aio.waiting import cancel_and_wait
from egress_server.domain.desired.effective import effective
from egress_server.domain.diff.plan import ObjectChange, diff
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import Problem
from egress_server.domain.render import render
from egress_server.ports.target import Live, Target, Witness
from tests.support.meshes import History
from tests.support.waiting import PATIENCE_SECONDS, until

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
"""When the resources are created: by the machine's clock none of their faults has ended."""


@dataclass(frozen=True)
class TargetPlan:
    """What an apply would change, and the obstacles that the projection found."""

    changes: tuple[ObjectChange, ...]
    upsert: tuple[IstioObject, ...]
    delete: tuple[ObjectKey, ...]
    obstacles: dict[str, Problem]


class TargetDriver:
    """One process that manages `cluster`. `events` counts the changes by other clients that were reported."""

    def __init__(self, target: Target, cluster: Cluster) -> None:
        self.target = target
        self.cluster = cluster
        self.epoch = "epoch"
        self.fence = 1
        self.revision = 0
        self.events = 0
        self.born = FUTURE
        """When the resources are created, and the time of a reconcile unless another is given."""
        self.listen()

    async def close(self) -> None:
        """Closes the target."""
        await self.stop_listening()
        await self.target.close()

    def listen(self) -> None:
        """From now on events are counted."""
        self._listening = asyncio.create_task(self._listen())

    async def stop_listening(self) -> None:
        """From now on they are not."""
        await cancel_and_wait(self._listening)

    async def until_deaf(self) -> None:
        """Returns once the target reports no more changes because it was closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._listening

    def witness(self) -> Witness:
        """That of the current revision."""
        return Witness(self.epoch, self.revision, f"digest-{self.revision}", self.fence)

    async def plan(self, *resources: Resource, now: datetime | None = None) -> TargetPlan:
        """Plans towards these resources, of which the first is the oldest."""
        live = await self.target.gather()
        snapshot = History(self.cluster, *resources, born=self.born).snapshot
        desired = render(effective(snapshot, self.cluster, now or self.born))
        projection = self.target.project(desired, self.cluster, live)
        changes = diff(live.objects, projection.objects)
        age = {resource.name: number for number, resource in enumerate(resources)}
        upsert = [change.after for change in changes if change.after is not None]
        return TargetPlan(
            changes,
            tuple(sorted(upsert, key=lambda obj: age.get(resource_of(obj), -1))),
            tuple(change.key for change in changes if change.after is None),
            dict(projection.obstacles),
        )

    async def reconcile(self, *resources: Resource, now: datetime | None = None) -> dict[str, Problem]:
        """One reconcile towards these resources, as the next revision. Returns the obstacles."""
        plan = await self.plan(*resources, now=now)
        self.revision += 1
        applied = await self.target.apply(
            upsert=plan.upsert, delete=plan.delete, witness=None if self.cluster.draining else self.witness()
        )
        return {**plan.obstacles, **applied.obstacles}

    async def take_over(self) -> None:
        """An apply that changes nothing but the witness, whichever applier wrote the one that is there now."""
        accepted = (await self.live()).witness
        self.revision += 1
        await self.target.apply(upsert=(), delete=(), witness=self.witness(), accepted=accepted)

    async def record(self) -> None:
        """An apply that changes nothing but the witness, as the next revision."""
        self.revision += 1
        await self.target.apply(upsert=(), delete=(), witness=self.witness())

    async def release(self) -> None:
        """One reconcile that removes everything managed, as when the cluster is drained."""
        self.cluster = replace(self.cluster, draining=True)
        try:
            assert await self.reconcile() == {}
        finally:
            self.cluster = replace(self.cluster, draining=False)

    async def live(self) -> Live:
        """What the target gathers."""
        return await self.target.gather()

    async def names(self, kind: str = "ServiceEntry") -> Sequence[str]:
        """The names of the managed objects of a kind, in order."""
        return sorted(key.name for key in (await self.live()).objects if key.kind == kind)

    async def until_event(self, above: int = 0, seconds: float = PATIENCE_SECONDS) -> None:
        """Returns once more than `above` changes were reported."""
        await until(lambda: self.events > above, f"more than {above} events", seconds=seconds)

    async def _listen(self) -> None:
        with contextlib.suppress(TransientError, PermanentError):
            async for _ in self.target.changes():
                self.events += 1
