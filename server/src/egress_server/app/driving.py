"""The applier of one process, at work and, until there is a store, on standby."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from egress_server.app.background import in_background
from egress_server.app.identity import MESH
from egress_server.app.targets import TargetFactory
from egress_server.delivery.manager import ControllerManager
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.standby import StandbyApplier
from egress_server.domain.model.clusters import Cluster
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import system_clock
from egress_server.store.opening import OpenStore

_HEAD_START_SECONDS = 1.0
"""How long the store may take before anybody begins to do without it."""


def drive(
    stack: AsyncExitStack,
    storage: OpenStore,
    targets: TargetFactory,
    agents: AgentSessions,
    *,
    owner: str,
    settings: DeliverySettings,
) -> None:
    """Drives the clusters until the stack is left."""
    applier = ControllerManager(
        mesh=MESH,
        store=storage.store,
        replica=storage.replica,
        targets=targets,
        agents=agents,
        clock=system_clock,
        owner=owner,
        settings=settings,
    )
    in_background(stack, applier.run(), "applier")


@asynccontextmanager
async def standby(targets: TargetFactory, clusters: Iterable[Cluster]) -> AsyncIterator[None]:
    """Within it faults end on `clusters` on time, and nothing else is done to them: the store is awaited."""

    async def wait_and_attend() -> None:
        await asyncio.sleep(_HEAD_START_SECONDS)
        await StandbyApplier(targets, clusters).run()

    async with AsyncExitStack() as stack:
        in_background(stack, wait_and_attend(), "without the store")
        yield
