"""What a connection can meet, and the stable words for it. Plain servers on loopback; no sidecar in between."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from egress_server.agents.agent.dialer import Dialled
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import DialTarget, Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from tests.integration.local.world import World

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "www.aliyun.com"


class Direct:
    """Dials the place itself, as if the connection were captured."""

    async def __call__(self, target: DialTarget) -> Dialled:
        """Connects over TCP."""
        connection = socket.socket()
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, target.upstream)
        return Dialled(connection, captured=True)


async def no_clusters(target: str) -> bytes:
    """A sidecar without any cluster."""
    return b"{}"


async def ask(
    port: int,
    scheme: str = "http",
    method: str = "HEAD",
    timeout: float = 5.0,
    headers: Mapping[str, str] | None = None,
) -> Evidence:
    """One attempt at a server."""
    usual = {"http": 80, "https": 443}[scheme]
    resolver = Resolver({(HOST, usual): ("127.0.0.1", port)})
    make = Prober(resolver, Direct(), EnvoySidecar(no_clusters), version="0.1.0")
    return await make(Attempt(Destination(scheme, HOST, usual, "/path?q=1"), method, headers or {}, timeout=timeout))


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Runs a server; gives its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def says(answer: bytes) -> Handler:
    """A server that reads a little and says this."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()

    return handler


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that reads a little and resets the connection."""
    await reader.read(65536)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that sends nothing."""
    while await reader.read(65536):
        pass


async def test_request() -> None:
    """The request is what was asked for and no more, and it asks to close."""
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(handler) as port:
        await ask(port, method="GET", headers={"X-Own": "a", "User-Agent": "curl/8"})
    assert seen[0].decode().split("\r\n")[:-2] == [
        "GET /path?q=1 HTTP/1.1",
        "host: www.aliyun.com",
        "accept: */*",
        "X-Own: a",
        "User-Agent: curl/8",
        "connection: close",
    ]


async def test_response() -> None:
    """Status, version and headers come back in order and as they were sent; a redirect is not followed; a provisional
    response is passed over."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    changes_between = b"HTTP/1.0 301 Moved\r\nLocation: http://127.0.0.1/\r\nX: 1\r\nX: 2\r\n\r\n"
    async with serving(says(hints + changes_between)) as port:
        evidence = await ask(port)
    assert (evidence.status, evidence.http_version) == (301, "HTTP/1.0")
    assert evidence.headers == (("Location", "http://127.0.0.1/"), ("X", "1"), ("X", "2"))
    assert evidence.error == evidence.tls_error == ""
    parts = evidence.timings
    assert None not in (parts.resolve, parts.connect, parts.response, parts.total)
    assert parts.tls is None


async def test_body_is_not_read() -> None:
    """A body that never ends holds up nothing."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"5\r\nhello\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            pass  # the client has seen enough

    async with serving(endless) as port:
        assert (await ask(port, method="GET")).status == 200


async def test_many_headers() -> None:
    """Of many headers the first 64 are kept."""
    lines = b"".join(b"x-%d: y\r\n" % number for number in range(100))
    async with serving(says(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")) as port:
        evidence = await ask(port)
    assert len(evidence.headers) == 64
    assert evidence.headers[-1] == ("x-63", "y")


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (says(b""), "connection closed before a response"),
        (says(b"HTTP/1.1 200 OK\r\nx: "), "connection closed before a response"),
        (resets, "connection reset while waiting for the response"),
        (says(b"SSH-2.0-OpenSSH_9\r\n\r\n"), "not an HTTP/1.1 response"),
        (says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000), "not an HTTP/1.1 response"),
    ],
)
async def test_broken_responses(handler: Handler, error: str) -> None:
    """What is not a response is reported in stable words."""
    async with serving(handler) as port:
        evidence = await ask(port)
    assert evidence.error.startswith(error)
    assert evidence.tls_error == ""
    assert (evidence.captured, evidence.status) == (True, 0)
    assert evidence.timings.response is None


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (says(b""), "connection closed in the TLS handshake"),
        (resets, "connection reset in the TLS handshake"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "WRONG_VERSION_NUMBER in the TLS handshake"),
        # A fatal alert: unrecognized_name.
        (says(b"\x15\x03\x03\x00\x02\x02\x70"), "TLSV1_UNRECOGNIZED_NAME in the TLS handshake"),
    ],
)
async def test_broken_handshakes(handler: Handler, error: str) -> None:
    """A handshake that fails says whether the peer closed, reset or refused."""
    async with serving(handler) as port:
        evidence = await ask(port, "https")
    assert evidence.tls_error == error
    assert evidence.error == ""
    assert evidence.timings.tls is None


@pytest.mark.parametrize(("scheme", "where"), [("http", "while waiting for the response"), ("https", "in the TLS")])
async def test_silence(scheme: str, where: str) -> None:
    """Silence ends with the attempt's time, and says in which part."""
    async with serving(hangs) as port:
        evidence = await ask(port, scheme, timeout=0.05)
    assert (evidence.error or evidence.tls_error).startswith(f"timed out {where}")


async def test_tls(world: World) -> None:
    """TLS works with a self-signed certificate."""
    evidence = await ask(world.tls, "https")
    assert (evidence.status, evidence.tls_error) == (200, "")
    assert evidence.timings.tls is not None


async def test_tls_closed_after_the_handshake(world: World) -> None:
    """A connection that ends after the handshake is not a TLS error."""
    evidence = await ask(world.tls, "https", headers={"x": "y" * 100_000})
    assert evidence.tls_error == ""
    assert evidence.timings.tls is not None
    assert evidence.error
