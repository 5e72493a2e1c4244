"""`egressd apply`: the applier in its own process, for all clusters that it can reach or for those named."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from egress_server.agents.sessions.sessions import Sessions
from egress_server.aio.waiting import until_stopped
from egress_server.app.components import (
    MESH,
    VERSION,
    open_agent_router,
    open_external_store,
    open_sealer,
    start_applier,
)
from egress_server.app.ops_server import exposition, open_ops_server
from egress_server.app.store import ProcessStore
from egress_server.app.targets import DirectAccess, Reach, TargetFactory
from egress_server.config import ApplySettings
from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.errors import NotFound
from egress_server.ports.clock import uuid_ids
from egress_server.telemetry.tracing import configure_tracing

_log = structlog.get_logger(__name__)


async def apply(settings: ApplySettings, stop: asyncio.Event, on_listening: Callable[[str], None]) -> None:
    """Reconciles clusters until `stop` is set. The store is waited for, and meanwhile faults end on time.

    `on_listening` gets the address of health and metrics. Raises EgressError or OSError with the reason if it can't
    start.
    """
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(settings.trace_ratio, settings.otlp_endpoint, VERSION).shutdown)
        store, sessions = ProcessStore(MESH), Sessions(version=VERSION)

        def metrics_page() -> bytes:
            return exposition(MESH, store.opened.replica if store.opened else None, sessions)

        otherwise = NotFound("an applier serves health, readiness and metrics only", reason="ROUTE_NOT_FOUND")
        web = await open_ops_server(stack, settings.metrics_address, store.health, metrics_page, otherwise)
        on_listening(web.address)
        if await until_stopped(stop, _start(stack, settings, store, sessions)):
            await stop.wait()
            _log.info("stopping")


async def _start(stack: AsyncExitStack, settings: ApplySettings, store: ProcessStore, sessions: Sessions) -> bool:
    direct = None
    if settings.in_cluster or settings.kubeconfig:
        direct = DirectAccess(settings.clusters[0], settings.kubeconfig, settings.context)
    reach = Reach(directory_root=settings.directory_root, direct=direct, only=settings.clusters)
    targets = TargetFactory(reach, open_sealer(settings))
    own = [direct.registration(MESH)] if direct else []
    opened = await open_external_store(stack, store, settings, targets, own)
    process = uuid_ids()
    agents = await open_agent_router(stack, store, opened, sessions, process)
    start_applier(stack, opened, targets, agents, owner=process, settings=DeliverySettings())
    clusters = [cluster.id for cluster in opened.replica.snapshot.clusters() if targets.drives(cluster)]
    _log.info("ready", clusters=clusters)
    return True
