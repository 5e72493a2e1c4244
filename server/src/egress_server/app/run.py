"""`egressd run`: store, API, applier, local clusters and their agents in one process."""

import asyncio
from contextlib import AsyncExitStack

from egress_server.agents.sessions.sessions import Sessions
from egress_server.app.bootstrap import bootstrap, local_clusters
from egress_server.app.components import (
    MESH,
    VERSION,
    open_agent_router,
    open_external_store,
    open_sealer,
    start_applier,
)
from egress_server.app.local_clusters import LocalClusters
from egress_server.app.serve import OnReady, open_api, serve_until_stopped, services_over
from egress_server.app.servers import Addresses, ApiServers, WebServer
from egress_server.app.store import ProcessStore
from egress_server.app.targets import Reach, TargetFactory
from egress_server.config import RunSettings
from egress_server.delivery.settings import DeliverySettings
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import uuid_ids

_AGENTS_SECONDS = 10.0
_POLL_SECONDS = 0.02


async def run(settings: RunSettings, stop: asyncio.Event, on_ready: OnReady) -> None:
    """Serves until `stop` is set, then drains. An external store is waited for, and meanwhile faults end on time.

    Raises EgressError or OSError with the reason if it can't start.
    """

    sealer = open_sealer(settings)

    async def start(stack: AsyncExitStack, store: ProcessStore, web: WebServer) -> tuple[ApiServers, Addresses]:
        local = LocalClusters(settings, VERSION)
        stack.push_async_callback(local.stop)
        own = local_clusters(MESH, settings.local_clusters)
        reach = Reach(
            directory_root=settings.directory_root, local=settings.local_clusters, exclusive=not settings.redis_url
        )
        targets = TargetFactory(reach, sealer, local)
        sessions, process = Sessions(version=VERSION), uuid_ids()
        agents: AgentSessions = sessions
        if settings.redis_url:
            opened = await open_external_store(stack, store, settings, targets, own)
            agents = await open_agent_router(stack, store, opened, sessions, process)
        else:
            opened = await store.embedded(stack, settings.data_dir)
        services = services_over(opened, agents, sealer)
        await store.retry(lambda: bootstrap(services, MESH, own))
        start_applier(
            stack,
            opened,
            targets,
            agents,
            # An embedded store has one applier, which takes its clusters back immediately, whatever leases are left.
            owner="egressd" if opened.embedded else process,
            settings=DeliverySettings(known_destinations=local.known_destinations),
        )
        stack.push_async_callback(local.detach)
        servers, addresses = await open_api(stack, settings, services, sessions, store, web)
        local.attach(addresses.grpc)
        await _agents_attached(sessions, settings.local_clusters)
        return servers, addresses

    await serve_until_stopped(settings, stop, on_ready, start)


async def _agents_attached(sessions: Sessions, clusters: tuple[str, ...]) -> None:
    """Waits a while for the agents of the local clusters: a caller may probe as soon as the process is ready."""
    try:
        async with asyncio.timeout(_AGENTS_SECONDS):
            while not all(sessions.attached(MESH, id_) for id_ in clusters):  # noqa: ASYNC110 - the router uses `changed`
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return
