"""An HTTP service on loopback that counts what reaches it and answers as configured."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Upstream:
    """The service. Requests wait while `open` is not set; `names` are the server names of its TLS clients."""

    port: int
    status: int = 200
    requests: int = 0
    connections: int = 0
    waiting: int = 0
    names: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                self.waiting += 1
                await self.open.wait()
                self.waiting -= 1
                writer.write(f"HTTP/1.1 {self.status} X\r\nServer: Tengine\r\nContent-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()


@asynccontextmanager
async def running_upstream(status: int = 200, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Run one that answers `status`, over TLS if it is given a context."""
    upstream = Upstream(port=0, status=status)
    upstream.open.set()
    if tls is not None:
        tls.sni_callback = lambda _, name, __: upstream.names.append(name or "")
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        upstream.open.set()
        server.close()
