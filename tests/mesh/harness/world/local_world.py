"""The outside as a local cluster sees it: the world's services on loopback, while `serving`."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from egress_server.demo.environment import ExternalSite

GREETING = b"J\x00\x00\x00\x0a8.0.36\x00"
"""A server that speaks first, as MySQL does."""


@contextlib.contextmanager
def serving(folder: Path, http: list[str], databases: list[str]) -> Iterator[list[str]]:
    """The values of `--resolve` for hosts that answer on 80 and 443, and for those that greet on 3306."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    outside = ExternalSite(folder)
    try:
        asyncio.run_coroutine_threadsafe(outside.__aenter__(), loop).result()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(_greet, "127.0.0.1", 0), loop).result()
        port = server.sockets[0].getsockname()[1]
        web = [f"{host}:80:127.0.0.1:{outside.http_port}" for host in http]
        web += [f"{host}:443:127.0.0.1:{outside.https_port}" for host in http]
        yield [*web, *(f"{host}:3306:127.0.0.1:{port}" for host in databases)]
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(outside.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GREETING)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
        await reader.read()
    writer.close()
