"""The only place that names concrete adapters: what `egressd run` is made of, in the order of its start, and how it
stops.

Everything hangs on one AsyncExitStack: what was started last is stopped first, also when a later start fails.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version as version_of
from importlib.resources import files

import structlog

from egress_server.agents.sessions import Sessions
from egress_server.api.attach import attach_handler
from egress_server.api.server import Server
from egress_server.app.gauges import exposition
from egress_server.app.local_clusters import LocalClusters
from egress_server.app.seeding import seed
from egress_server.app.targets import Targets
from egress_server.app.web import WebServer
from egress_server.auth.local import LocalUser
from egress_server.auth.sealing import KeyFileSealer
from egress_server.commands.services import Services
from egress_server.config import Settings
from egress_server.delivery.applier import Applier
from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.errors import EgressError
from egress_server.domain.names import Kind
from egress_server.gateway.app import build_app
from egress_server.pipeline import Pipeline
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.store.opening import open_store
from egress_server.telemetry.tracing import configure_tracing
from egress_server.wire import METHODS, STREAMS

VERSION = version_of("egress-server")
MESH = "default"
_AGENTS_SECONDS = 10.0
_POLL_SECONDS = 0.02
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens."""

    grpc: str
    http: str


async def run(settings: Settings, stop: asyncio.Event, on_ready: Callable[[Addresses], None]) -> None:
    """Serves until `stop` is set, then drains: no new calls, those under way get `drain_seconds`.

    Raises EgressError or OSError, saying why it can't start.
    """
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(settings.trace_ratio, settings.otlp_endpoint, VERSION).shutdown)
        where = settings.redis_url or settings.data_dir.absolute()
        storage = await stack.enter_async_context(open_store(where, MESH))
        sessions = Sessions(version=VERSION)
        sealer = _sealer(settings)
        services = Services(storage.store, {MESH: storage.replica}, sessions, uuid_ids, system_clock, sealer)
        await seed(services, MESH, settings.local_clusters)

        user = LocalUser()
        pipeline = Pipeline(services, user, user)
        agents = attach_handler(pipeline, sessions)
        server = Server(pipeline, METHODS, STREAMS, agents, VERSION, end_streams=sessions.close)
        grpc_address = server.listen(settings.grpc_address)
        await server.start()

        clusters = LocalClusters(settings, grpc_address, VERSION)
        stack.push_async_callback(clusters.stop)
        applier = Applier(
            mesh=MESH,
            store=storage.store,
            replica=storage.replica,
            targets=Targets(settings, clusters, sealer),
            agents=sessions,
            clock=system_clock,
            # Nobody else drives clusters over an embedded store: they are taken up at once, whatever leases were left.
            owner="egressd" if storage.embedded else uuid_ids(),
            settings=DeliverySettings(known_destinations=clusters.known_destinations),
        )
        await _run_in_background(stack, applier)
        stack.push_async_callback(clusters.detach)
        stack.push_async_callback(server.stop, settings.drain_seconds)

        async def readiness() -> Mapping[str, str]:
            try:
                await storage.store.now()
            except EgressError as error:
                return {"store": error.message}
            return {}

        web = WebServer(
            build_app(
                pipeline,
                {**METHODS, **STREAMS},
                descriptor_set=files("egress_server.wire").joinpath("descriptors.binpb").read_bytes(),
                readiness=readiness,
                metrics=lambda: exposition(MESH, storage.replica, sessions),
                version=VERSION,
                cors_origins=settings.cors_origins,
            ),
            settings.http_address,
            settings.drain_seconds,
        )
        http_address = await web.start()
        stack.push_async_callback(web.stop)
        await _attached(sessions, settings.local_clusters, stop)
        addresses = Addresses(grpc_address, http_address)
        _log.info("ready", grpc=addresses.grpc, http=addresses.http, clusters=_cluster_count(services))
        on_ready(addresses)
        await stop.wait()
        _log.info("draining", seconds=settings.drain_seconds)
        services.end_streams()
        await asyncio.gather(web.stop(), server.stop(settings.drain_seconds))


def _sealer(settings: Settings) -> KeyFileSealer:
    """Raises FailedPrecondition where the key is to be there and is not: better now than at the first cluster."""
    named = settings.credentials_key_file
    sealer = KeyFileSealer(named or settings.data_dir.absolute() / "credentials.key", make=named is None)
    sealer.check()
    return sealer


async def _attached(sessions: Sessions, clusters: tuple[str, ...], stop: asyncio.Event) -> None:
    """Waits for the agents of the local clusters, but not for ever: who reads that we are ready probes at once."""
    give_up = time.monotonic() + _AGENTS_SECONDS
    while time.monotonic() < give_up and not stop.is_set():
        if all(sessions.attached(MESH, cluster) for cluster in clusters):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _run_in_background(stack: AsyncExitStack, applier: Applier) -> None:
    task = asyncio.create_task(applier.run(), name="applier")

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _cluster_count(services: Services) -> int:
    return len(services.replica(MESH).snapshot.names(Kind.CLUSTER))
