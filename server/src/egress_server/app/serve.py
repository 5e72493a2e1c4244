"""`egressd serve`: the API over an external store; and what it shares with `egressd run`.

Everything hangs on one AsyncExitStack: what was started last is stopped first, also if a later start fails.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import structlog

from egress_server.agents.sessions.sessions import Sessions
from egress_server.aio.waiting import until_stopped
from egress_server.app.bootstrap import bootstrap
from egress_server.app.components import MESH, VERSION, open_agent_router, open_sealer
from egress_server.app.ops_server import exposition, open_ops_server
from egress_server.app.servers import Addresses, ApiServers, WebServer
from egress_server.app.store import ProcessStore
from egress_server.commands.services import Services
from egress_server.config import ApiSettings, ServeSettings
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.model.names import ResourceKind
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.ports.identity import Sealer
from egress_server.store.open import OpenStore
from egress_server.telemetry import metrics
from egress_server.telemetry.tracing import configure_tracing

_log = structlog.get_logger(__name__)

OnReady: TypeAlias = Callable[[Addresses], None]
Start: TypeAlias = Callable[
    [AsyncExitStack, ProcessStore, WebServer], Coroutine[Any, Any, tuple[ApiServers, Addresses]]
]
"""Starts the components of a process, hangs them on the stack, and opens its servers."""


async def serve(settings: ServeSettings, stop: asyncio.Event, on_ready: OnReady) -> None:
    """Serves the API until `stop` is set, then drains. The store is waited for.

    Raises EgressError or OSError with the reason if it can't start.
    """

    sealer = open_sealer(settings)

    async def start(stack: AsyncExitStack, store: ProcessStore, web: WebServer) -> tuple[ApiServers, Addresses]:
        opened = await store.external(stack, settings.redis_url)
        sessions = Sessions(version=VERSION)
        agents = await open_agent_router(stack, store, opened, sessions, uuid_ids())
        services = services_over(opened, agents, sealer)
        await store.retry(lambda: bootstrap(services, MESH))
        return await open_api(stack, settings, services, sessions, store, web)

    await serve_until_stopped(settings, stop, on_ready, start)


async def serve_until_stopped(settings: ApiSettings, stop: asyncio.Event, on_ready: OnReady, start: Start) -> None:
    """From the health pages to the end of the drain: no new calls, those under way get `drain_seconds`.

    Raises what `start` raises, and OSError if the HTTP address can't be had.
    """
    starting = Unavailable("the server is waiting for its store", reason="STORE_UNAVAILABLE", retry_after=1.0)
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(settings.trace_ratio, settings.otlp_endpoint, VERSION).shutdown)
        store = ProcessStore(MESH)
        web = await open_ops_server(
            stack, settings.http_address, store.health, metrics.exposition, starting, settings.drain_seconds
        )
        started = await until_stopped(stop, start(stack, store, web))
        if started is None:
            return
        servers, addresses = started
        clusters = servers.services.replica(MESH).snapshot.names(ResourceKind.CLUSTER)
        _log.info("ready", grpc=addresses.grpc, http=addresses.http, clusters=len(clusters))
        on_ready(addresses)
        await stop.wait()
        _log.info("draining", seconds=settings.drain_seconds)
        await servers.drain(web)


async def open_api(
    stack: AsyncExitStack,
    settings: ApiSettings,
    services: Services,
    sessions: Sessions,
    store: ProcessStore,
    web: WebServer,
) -> tuple[ApiServers, Addresses]:
    """Serves gRPC and REST until the stack is left."""
    servers = ApiServers(settings, services, sessions, VERSION)
    stack.push_async_callback(servers.close)
    replica = services.replica(MESH)
    return servers, await servers.open(web, store.health, lambda: exposition(MESH, replica, sessions))


def services_over(opened: OpenStore, agents: AgentSessions, sealer: Sealer) -> Services:
    """What the commands of the API work with."""
    return Services(opened.store, {MESH: opened.replica}, agents, uuid_ids, system_clock, sealer)
