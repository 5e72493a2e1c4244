"""`egressd run`: store, API, applier, local clusters and their agents in one process."""

import asyncio
from contextlib import AsyncExitStack

from egress_server.agents.sessions.sessions import Sessions
from egress_server.app.background import in_background
from egress_server.app.credentials import sealer_of
from egress_server.app.doors import Addresses, ApiServers
from egress_server.app.driving import drive, standby
from egress_server.app.identity import MESH, VERSION
from egress_server.app.local_clusters import LocalClusters
from egress_server.app.seeding import local_clusters, seed
from egress_server.app.serving import OnReady, services_over, serving
from egress_server.app.sharing import share
from egress_server.app.storage import Storage
from egress_server.app.targets import Reach, TargetFactory
from egress_server.app.web import WebServer
from egress_server.config import RunSettings
from egress_server.delivery.settings import DeliverySettings
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import uuid_ids
from egress_server.store.known_clusters import KnownClusters
from egress_server.store.opening import OpenStore

_AGENTS_SECONDS = 10.0
_POLL_SECONDS = 0.02


async def run(settings: RunSettings, stop: asyncio.Event, on_ready: OnReady) -> None:
    """Serves until `stop` is set, then drains. An external store is waited for, and meanwhile faults end.

    Raises EgressError or OSError, saying why it can't start.
    """

    sealer = sealer_of(settings)

    async def start(stack: AsyncExitStack, storage: Storage, web: WebServer) -> tuple[ApiServers, Addresses]:
        local = LocalClusters(settings)
        stack.push_async_callback(local.stop)
        alone = not settings.redis_url
        reach = Reach(directory_root=settings.directory_root, local=settings.local_clusters, alone=alone)
        targets = TargetFactory(reach, sealer, local)
        opened = await _opened(stack, settings, storage, targets)
        sessions, process = Sessions(version=VERSION), uuid_ids()
        agents: AgentSessions = sessions
        if opened.embedded is None:
            agents = await share(stack, storage, opened, sessions, process)
        services = services_over(opened, agents, sealer)
        await storage.patiently(lambda: seed(services, MESH, local_clusters(MESH, settings.local_clusters)))
        drive(
            stack,
            opened,
            targets,
            agents,
            # Nobody else drives clusters over an embedded store: they are taken up at once, whatever leases were left.
            owner="egressd" if opened.embedded else process,
            settings=DeliverySettings(known_destinations=local.known_destinations),
        )
        stack.push_async_callback(local.detach)
        doors = ApiServers(settings, services, sessions)
        stack.push_async_callback(doors.close)
        addresses = await doors.open(web, storage)
        local.attach(addresses.grpc)
        await _attached(sessions, settings.local_clusters)
        return doors, addresses

    await serving(settings, stop, on_ready, start)


async def _opened(stack: AsyncExitStack, settings: RunSettings, storage: Storage, targets: TargetFactory) -> OpenStore:
    if not settings.redis_url:
        return await storage.embedded(stack, settings.data_dir)
    known = KnownClusters(settings.data_dir, MESH)
    ours = local_clusters(MESH, settings.local_clusters)
    async with standby(targets, {cluster.id: cluster for cluster in (*ours, *known.read())}.values()):
        opened = await storage.external(stack, settings.redis_url)
    in_background(stack, known.keep(opened.replica), "known clusters")
    return opened


async def _attached(sessions: Sessions, clusters: tuple[str, ...]) -> None:
    """Waits for the agents of the local clusters, but not for ever: who reads that we are ready probes at once."""
    try:
        async with asyncio.timeout(_AGENTS_SECONDS):
            while not all(sessions.attached(MESH, id_) for id_ in clusters):  # noqa: ASYNC110 - `changed` is shared.py's
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return
