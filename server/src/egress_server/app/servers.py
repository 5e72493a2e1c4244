"""The servers of one process: HTTP, and gRPC and REST over one pipeline."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from egress_server.agents.sessions.sessions import Sessions
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.api.attach import attach_handler
from egress_server.api.server import Server
from egress_server.app.http_socket import UnixHttpProtocol, bound_socket, close_socket
from egress_server.auth.local import LocalUser
from egress_server.commands.services import Services
from egress_server.config import ApiSettings
from egress_server.gateway.app import build_app
from egress_server.gateway.ops import Readiness
from egress_server.pipeline.pipeline import Pipeline
from egress_server.wire import METHODS, STREAMS


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens."""

    grpc: str
    http: str


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handling: the process decides when to stop. `started` is set when it listens."""

    def __init__(self, config: uvicorn.Config, started: asyncio.Event) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Sets the event when done."""
        await super().startup(sockets)
        self._started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


class WebServer:
    """Serves `app` at HOST:PORT or unix:PATH on the running event loop; `app` may be replaced while it serves.

    The listening socket outlives a server that fails, so the next one serves the connections that came meanwhile.
    """

    def __init__(
        self,
        app: ASGIApp,
        address: str,
        drain_seconds: float,
        make: Callable[[uvicorn.Config, asyncio.Event], HttpServer] = HttpServer,
    ) -> None:
        self.app = app
        self.address = address
        self._drain_seconds = drain_seconds
        self._make = make
        self._listener: socket.socket | None = None
        self._server: HttpServer | None = None
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task = Background()

    async def start(self) -> None:
        """Listens; `address` then has the port that was taken. Raises OSError if that is not possible."""
        self._listener, self.address = bound_socket(self.address)
        self._task.start(Task.HTTP_SERVER, self._serve, stop=self._stopping)
        await self._started.wait()

    async def stop(self) -> None:
        """Accepts no more requests, lets those under way end, closes."""
        self._stopping.set()
        if self._listener is not None:
            close_socket(self._listener)
        if self._server is not None:
            self._server.should_exit = True
        await self._task.wait()

    async def _serve(self) -> None:
        """Serves until `stop`. A server that ends before that has failed."""
        if self._stopping.is_set() or self._listener is None:
            return
        server = self._server = self._make(self._config(), self._started)
        try:
            await server.serve(sockets=[self._listener.dup()])
        finally:
            for listening in getattr(server, "servers", ()):
                listening.close()
        if not self._stopping.is_set():
            raise RuntimeError("the HTTP server ended unexpectedly")

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=UnixHttpProtocol if self.address.startswith("unix:") else "httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(self._drain_seconds)),
            headers=[("server", "mesh-egress")],
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class ApiServers:
    """gRPC and REST, between `open` and `drain` or `close`. `sessions` are the agents that attach by gRPC."""

    def __init__(self, settings: ApiSettings, services: Services, sessions: Sessions, version: str) -> None:
        self.services = services
        self._settings = settings
        self._version = version
        user = LocalUser()
        self._pipeline = Pipeline(services, user, user)
        attach = attach_handler(self._pipeline, sessions)
        self._grpc = Server(self._pipeline, METHODS, STREAMS, attach, version, end_streams=sessions.close)

    async def open(self, web: WebServer, readiness: Readiness, metrics_page: Callable[[], bytes]) -> Addresses:
        """Serves gRPC at its own address, and REST at `web`, which listens already. Raises OSError if it can't listen
        for gRPC."""
        grpc = self._grpc.listen(self._settings.grpc_address)
        await self._grpc.start()
        web.app = build_app(
            self._pipeline,
            {**METHODS, **STREAMS},
            descriptor_set=files("egress_server.wire").joinpath("descriptors.binpb").read_bytes(),
            readiness=readiness,
            metrics=metrics_page,
            version=self._version,
            cors_origins=self._settings.cors_origins,
        )
        return Addresses(grpc, web.address)

    async def close(self) -> None:
        """Ends gRPC; calls under way get `drain_seconds`."""
        await self._grpc.stop(self._settings.drain_seconds)

    async def drain(self, web: WebServer) -> None:
        """Accepts no new calls on either; calls under way get `drain_seconds`."""
        self.services.end_streams()
        await asyncio.gather(web.stop(), self.close())
