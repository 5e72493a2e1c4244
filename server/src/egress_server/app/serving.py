"""What `egressd run` and `egressd serve` have in common, and `serve` itself: the API over a store.

Everything hangs on one AsyncExitStack: what was started last is stopped first, also when a later start fails.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import structlog

from egress_server.agents.sessions.sessions import Sessions
from egress_server.app.background import until_stopped
from egress_server.app.credentials import sealer_of
from egress_server.app.doors import Addresses, ApiServers
from egress_server.app.identity import MESH, VERSION
from egress_server.app.operating import open_pages
from egress_server.app.seeding import seed
from egress_server.app.sharing import share
from egress_server.app.storage import Storage
from egress_server.app.web import WebServer
from egress_server.commands.services import Services
from egress_server.config import DoorSettings, ServeSettings
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.model.names import ResourceKind
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.ports.identity import Sealer
from egress_server.store.opening import OpenStore
from egress_server.telemetry import metrics
from egress_server.telemetry.tracing import configure_tracing

_log = structlog.get_logger(__name__)

OnReady: TypeAlias = Callable[[Addresses], None]
Start: TypeAlias = Callable[[AsyncExitStack, Storage, WebServer], Coroutine[Any, Any, tuple[ApiServers, Addresses]]]
"""Starts what a process is made of, hangs it on the stack, and opens the doors."""


async def serve(settings: ServeSettings, stop: asyncio.Event, on_ready: OnReady) -> None:
    """Serves the API until `stop` is set, then drains. The store is waited for.

    Raises EgressError or OSError, saying why it can't start.
    """

    sealer = sealer_of(settings)

    async def start(stack: AsyncExitStack, storage: Storage, web: WebServer) -> tuple[ApiServers, Addresses]:
        opened = await storage.external(stack, settings.redis_url)
        sessions = Sessions(version=VERSION)
        agents = await share(stack, storage, opened, sessions, uuid_ids())
        services = services_over(opened, agents, sealer)
        await storage.patiently(lambda: seed(services, MESH))
        doors = ApiServers(settings, services, sessions)
        stack.push_async_callback(doors.close)
        return doors, await doors.open(web, storage)

    await serving(settings, stop, on_ready, start)


async def serving(settings: DoorSettings, stop: asyncio.Event, on_ready: OnReady, start: Start) -> None:
    """From the first page for operators to the end of the drain: no new calls, those under way get `drain_seconds`.

    Raises what `start` raises, and OSError where the HTTP address can't be had.
    """
    awaited = Unavailable("this server waits for its store", reason="STORE_UNAVAILABLE", retry_after=1.0)
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(settings.trace_ratio, settings.otlp_endpoint, VERSION).shutdown)
        storage = Storage()
        pages = (metrics.exposition, awaited, settings.drain_seconds)
        web = await open_pages(stack, settings.http_address, storage, *pages)
        started = await until_stopped(stop, start(stack, storage, web))
        if started is None:
            return
        doors, addresses = started
        clusters = doors.services.replica(MESH).snapshot.names(ResourceKind.CLUSTER)
        _log.info("ready", grpc=addresses.grpc, http=addresses.http, clusters=len(clusters))
        on_ready(addresses)
        await stop.wait()
        _log.info("draining", seconds=settings.drain_seconds)
        await doors.drain(web)


def services_over(opened: OpenStore, agents: AgentSessions, sealer: Sealer) -> Services:
    """What the commands of the API work with."""
    return Services(opened.store, {MESH: opened.replica}, agents, uuid_ids, system_clock, sealer)
