"""uvicorn on our own event loop and our own socket, without its signal handling: the app decides when to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from egress_server.config import split_address


class WebServer:
    """Serves `app` at HOST:PORT; another may take its place while it serves."""

    def __init__(self, app: ASGIApp, address: str, drain_seconds: float) -> None:
        self.app = app
        self.address = address
        self._server = _Server(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(drain_seconds)),
                headers=[("server", "mesh-egress")],
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens; `address` then has the port that was taken. Raises OSError where it can't."""
        host, port = split_address(self.address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise OSError(f"can't listen on {self.address} for HTTP: {error.strerror}") from error
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        await self._server.listening.wait()
        self.address = f"{self.address.rpartition(':')[0]}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Takes no more requests, lets those under way end, closes."""
        self._server.should_exit = True
        if self._task:
            await self._task

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when it listens."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the app."""
        yield
