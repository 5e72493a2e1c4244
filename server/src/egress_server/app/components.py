"""Parts that more than one kind of process is made of."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version as version_of

from egress_server.agents.sessions.agent_router import AgentRouter
from egress_server.agents.sessions.sessions import Sessions
from egress_server.aio.supervisor import in_background
from egress_server.aio.tasks import Task
from egress_server.app.store import ProcessStore
from egress_server.app.targets import TargetFactory
from egress_server.auth.sealing import KeyFileSealer
from egress_server.config import ApplySettings, ProcessSettings, RunSettings
from egress_server.delivery.manager import ControllerManager
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.standby import StandbyApplier
from egress_server.domain.model.clusters import Cluster
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.store.known_clusters import KnownClusters
from egress_server.store.open import OpenStore, open_agent_bus

VERSION = version_of("egress-server")
MESH = "default"
"""The mesh that exists from the start, and so far the only one."""
_HEAD_START_SECONDS = 1.0
"""How long the store may take to open before faults are ended without it."""


def open_sealer(settings: ProcessSettings) -> KeyFileSealer:
    """The key that this installation seals credentials with.

    Raises FailedPrecondition now, rather than at the first cluster, if a key file is named and unusable.
    """
    named = settings.credentials_key_file
    sealer = KeyFileSealer(named or settings.data_dir.absolute() / "credentials.key", make=named is None)
    sealer.check()
    return sealer


async def open_external_store(
    stack: AsyncExitStack,
    store: ProcessStore,
    settings: RunSettings | ApplySettings,
    targets: TargetFactory,
    own: Iterable[Cluster],
) -> OpenStore:
    """The store at `settings.redis_url` for an applier, however long it takes to open.

    Meanwhile faults end on the clusters of `own` and on those that were registered when the store was last there.
    """
    known = KnownClusters(settings.data_dir, MESH)
    clusters = {cluster.id: cluster for cluster in (*own, *known.read())}.values()
    async with _standby(targets, clusters):
        opened = await store.external(stack, settings.redis_url)
    in_background(stack, Task.KNOWN_CLUSTERS, lambda: known.keep(opened.replica))
    return opened


async def open_agent_router(
    stack: AsyncExitStack, store: ProcessStore, opened: OpenStore, sessions: Sessions, process: str
) -> AgentRouter:
    """The agents of all processes over an external store: those of `sessions`, which the others now see, and theirs."""
    bus = await store.retry(lambda: stack.enter_async_context(open_agent_bus(opened, MESH, process)))
    router = AgentRouter(sessions, bus, mesh=MESH, process=process, ids=uuid_ids)
    stack.push_async_callback(router.close)
    router.start()
    return router


def start_applier(
    stack: AsyncExitStack,
    opened: OpenStore,
    targets: TargetFactory,
    agents: AgentSessions,
    *,
    owner: str,
    settings: DeliverySettings,
) -> None:
    """Reconciles the clusters until the stack is left."""

    async def run() -> None:
        applier = ControllerManager(
            mesh=MESH,
            store=opened.store,
            replica=opened.replica,
            targets=targets,
            agents=agents,
            clock=system_clock,
            owner=owner,
            settings=settings,
        )
        await applier.run()

    in_background(stack, Task.APPLIER, run)


@asynccontextmanager
async def _standby(targets: TargetFactory, clusters: Iterable[Cluster]) -> AsyncIterator[None]:
    async def run() -> None:
        await asyncio.sleep(_HEAD_START_SECONDS)
        await StandbyApplier(targets, clusters).run()

    async with AsyncExitStack() as stack:
        in_background(stack, Task.STANDBY, run)
        yield
