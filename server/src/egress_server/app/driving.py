"""The applier of one process, at work and, until there is a store, on standby."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from egress_server.app.background import in_background
from egress_server.app.identity import MESH
from egress_server.app.targets import Targets
from egress_server.delivery.applier import Applier
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.unattended import Unattended
from egress_server.domain.resources import Cluster
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import system_clock
from egress_server.store.opening import OpenStore

_HEAD_START_SECONDS = 1.0
"""How long the store may take before anybody begins to do without it."""


def drive(
    stack: AsyncExitStack,
    storage: OpenStore,
    targets: Targets,
    agents: AgentSessions,
    *,
    owner: str,
    settings: DeliverySettings,
) -> None:
    """Drives the clusters until the stack is left."""
    applier = Applier(
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
async def standby(targets: Targets, clusters: Iterable[Cluster]) -> AsyncIterator[None]:
    """Within it faults end on `clusters` on time, and nothing else is done to them: the store is awaited."""

    async def wait_and_attend() -> None:
        await asyncio.sleep(_HEAD_START_SECONDS)
        await Unattended(targets, clusters).run()

    async with AsyncExitStack() as stack:
        in_background(stack, wait_and_attend(), "without the store")
        yield
