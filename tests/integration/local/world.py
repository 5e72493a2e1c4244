"""Small external services on loopback, and a client that reaches them through an Envoy.

They replace www.aliyun.com of the source document: HTTP answers 301, HTTPS 200, both as Tengine.
"""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egress_server.config.host_overrides import HostOverride
from egress_server.targets.local.dial import open_connection

HOST = "www.aliyun.com"
SECONDS = 10.0
"""How long a test waits for what must come; never how long it takes."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class World:
    """The ports of the services, and the header lines that the HTTP service saw last."""

    http: int
    tls: int
    greeter: int
    trust: ssl.SSLContext
    seen: dict[str, str] = field(default_factory=dict)

    def resolve(self, host: str = HOST) -> list[HostOverride]:
        """The `--resolve` overrides for a host that these services replace."""
        return [HostOverride(host, 80, "127.0.0.1", self.http), HostOverride(host, 443, "127.0.0.1", self.tls)]


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """Run the services; `folder` gets the certificate."""
    trust, server_side = _certificate(folder)
    world = World(http=0, tls=0, greeter=0, trust=trust)
    async with AsyncExitStack() as stack:
        world.http = await _serve(stack, _http(world, 301), None)
        world.tls = await _serve(stack, _http(world, 200), server_side)
        world.greeter = await _serve(stack, _greet, None)
        yield world


async def connect(envoy: Path, port: int, real_port: int, address: str = "127.0.0.1") -> Streams:
    """Connect as an application would to `address`:`port`, which `real_port` serves."""
    connection = await open_connection(envoy, (address, port), (address, real_port))
    return await asyncio.open_connection(sock=connection)


async def connect_tls(envoy: Path, world: World, host: str = HOST) -> Streams:
    """Connect to port 443 and shake hands."""
    connection = await open_connection(envoy, ("127.0.0.1", 443), ("127.0.0.1", world.tls))
    return await asyncio.open_connection(sock=connection, ssl=world.trust, server_hostname=host)


async def ask(streams: Streams, host: str = HOST, method: str = "HEAD") -> Answer:
    """Make one request on a connection and keep it open.

    Raises:
        ConnectionError: the connection was cut before an answer (also asyncio.IncompleteReadError).
    """
    reader, writer = streams
    writer.write(f"{method} / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode()
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, value in headers.items()})


async def _serve(
    stack: AsyncExitStack,
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None,
) -> int:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    stack.callback(server.close)
    port: int = server.sockets[0].getsockname()[1]
    return port


def _http(world: World, status: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            world.seen = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
            writer.write(f"HTTP/1.1 {status} X\r\nServer: Tengine\r\nContent-Length: 0\r\n\r\n".encode())

    return handle


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak first, as a database does, then echo lines."""
    writer.write(b"hello\n")
    while line := await reader.readline():
        writer.write(line)


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-signed certificate for any host we use: the client's context, and the server's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName(HOST), x509.DNSName("*.example.com"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem, private)
    return ssl.create_default_context(cafile=str(pem)), server_side
