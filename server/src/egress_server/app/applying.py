"""`egressd apply`: the applier in a process of its own, for all clusters that it can reach or for those named."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from egress_server.agents.sessions.sessions import Sessions
from egress_server.app.background import in_background, until_stopped
from egress_server.app.credentials import sealer_of
from egress_server.app.driving import drive, standby
from egress_server.app.gauges import exposition
from egress_server.app.identity import MESH, VERSION
from egress_server.app.operating import open_pages
from egress_server.app.own_way import DirectAccess
from egress_server.app.sharing import share
from egress_server.app.storage import Storage
from egress_server.app.targets import Reach, TargetFactory
from egress_server.config import ApplySettings
from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.errors import NotFound
from egress_server.ports.clock import uuid_ids
from egress_server.store.known_clusters import KnownClusters
from egress_server.telemetry.tracing import configure_tracing

_log = structlog.get_logger(__name__)


async def apply(settings: ApplySettings, stop: asyncio.Event, on_pages: Callable[[str], None]) -> None:
    """Drives clusters until `stop` is set. While the store is away at the start, it is waited for, and faults end.

    `on_pages` is told where health and metrics are. Raises EgressError or OSError, saying why it can't start.
    """
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(settings.trace_ratio, settings.otlp_endpoint, VERSION).shutdown)
        storage, sessions = Storage(), Sessions(version=VERSION)

        def metrics() -> bytes:
            return exposition(MESH, storage.opened.replica if storage.opened else None, sessions)

        nothing = NotFound("an applier has health, readiness and metrics only", reason="ROUTE_NOT_FOUND")
        pages = await open_pages(stack, settings.metrics_address, storage, metrics, nothing)
        on_pages(pages.address)
        if await until_stopped(stop, _start(stack, settings, storage, sessions)):
            await stop.wait()
            _log.info("stopping")


async def _start(stack: AsyncExitStack, settings: ApplySettings, storage: Storage, sessions: Sessions) -> bool:
    own_way = None
    if settings.in_cluster or settings.kubeconfig:
        own_way = DirectAccess(settings.clusters[0], settings.kubeconfig, settings.context)
    reach = Reach(directory_root=settings.directory_root, own_way=own_way, only=settings.clusters)
    targets = TargetFactory(reach, sealer_of(settings))
    known = KnownClusters(settings.data_dir, MESH)
    ours = [own_way.registration(MESH)] if own_way else []
    async with standby(targets, {cluster.id: cluster for cluster in (*ours, *known.read())}.values()):
        opened = await storage.external(stack, settings.redis_url)
    in_background(stack, known.keep(opened.replica), "known clusters")
    process = uuid_ids()
    agents = await share(stack, storage, opened, sessions, process)
    drive(stack, opened, targets, agents, owner=process, settings=DeliverySettings())
    _log.info(
        "ready", clusters=[cluster.id for cluster in opened.replica.snapshot.clusters() if targets.drives(cluster)]
    )
    return True
