"""A server without an applier: store, API, both transports, in a thread; the test writes what an applier would
report."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from egress_server.agents.sessions.sessions import Sessions
from egress_server.api.attach import attach_handler
from egress_server.api.server import Server
from egress_server.app.bootstrap import bootstrap
from egress_server.app.servers import WebServer
from egress_server.auth.local import LocalUser
from egress_server.commands.services import Services
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.gateway.app import build_app
from egress_server.gateway.ops import Health
from egress_server.pipeline.pipeline import Pipeline
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.store.audit import verify
from egress_server.store.keys import Retention
from egress_server.store.open import OpenStore, open_store
from egress_server.wire import METHODS, STREAMS
from tests.support.sealing import OpenSealer
from tests.support.waiting import eventually

T = TypeVar("T")
MESH = "default"


class FakeApplier:
    """The server: `grpc` and `url` are its endpoints."""

    def __init__(self, home: Path, retention: Retention | None = None) -> None:
        self.grpc = f"unix:{home}/grpc"
        self.url = ""
        self._home = home
        self._retention = retention
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._storage: OpenStore | None = None

    def report(self, *statuses: ClusterStatus) -> None:
        """Writes clusters' records, and waits until the replica has them."""
        self._run(self._store.store.put_status(MESH, statuses))
        eventually(lambda: all(self._store.replica.statuses.get(s.cluster) == s for s in statuses), "records")

    def observe(self, *inventories: Inventory) -> None:
        """Writes inventories of clusters, and waits until the replica has them."""
        for each in inventories:
            self._run(self._store.store.put_inventory(MESH, each))
        eventually(lambda: all(self._store.replica.inventories.get(i.cluster) == i for i in inventories), "inventories")

    def stored(self, name: str) -> Versioned[Resource] | None:
        """A resource in the server's replica, including what the API does not show."""
        return self._store.replica.snapshot.get(name)

    def verify(self) -> list[str]:
        """The problems in the audit trail."""

        async def problems() -> list[str]:
            return [problem async for problem in verify(self._store.connection, MESH)]

        return self._run(problems())

    @property
    def _store(self) -> OpenStore:
        assert self._storage is not None
        return self._storage

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    async def _start(self) -> None:
        opening = open_store(self._home / "data", MESH, retention=self._retention)
        storage = self._storage = await self._stack.enter_async_context(opening)
        sessions, user = Sessions(version="1"), LocalUser()
        services = Services(storage.store, {MESH: storage.replica}, sessions, uuid_ids, system_clock, OpenSealer())
        await bootstrap(services, MESH, ())
        pipeline = Pipeline(services, user, user)
        agents = attach_handler(pipeline, sessions)
        server = Server(pipeline, METHODS, STREAMS, agents, "1", end_streams=sessions.close)
        server.listen(self.grpc)
        await server.start()
        self._stack.push_async_callback(server.stop, 1.0)

        async def readiness() -> Health:
            return Health()

        descriptors = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()
        app = build_app(
            pipeline,
            {**METHODS, **STREAMS},
            descriptor_set=descriptors,
            readiness=readiness,
            metrics=lambda: b"",
            version="1",
            cors_origins=(),
        )
        web = WebServer(app, "127.0.0.1:0", 1.0)
        await web.start()
        self.url = f"http://{web.address}"
        self._stack.push_async_callback(web.stop)

    @contextmanager
    def running(self) -> "Iterator[FakeApplier]":
        """A running one."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            self._run(self._start())
            yield self
        finally:
            self._run(self._stack.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(timeout=10)
