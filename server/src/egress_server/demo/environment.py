"""Where the demo runs: an egressd with one local cluster, and a local stand-in for www.aliyun.com."""

import asyncio
import datetime
import re
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egress_server.processes import ChildCommand, ChildProcess

CLUSTER = "local"
HOST = "www.aliyun.com"
_REQUEST_LIMIT = 65536


class ExternalSite:
    """A stand-in for HOST on free ports of 127.0.0.1, for the time of an `async with`.

    Port 80 redirects, and port 443 answers over TLS, as the document shows (`server: Tengine`): so the demo's answers
    can be compared with the document's word for word.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self.http_port = 0
        self.https_port = 0

    async def __aenter__(self) -> "ExternalSite":
        self.http_port = await self._serve(_redirect, None)
        self.https_port = await self._serve(_welcome, _tls(self._folder))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def resolve(self) -> list[str]:
        """The values of `--resolve` that lead there."""
        return [f"{HOST}:80:127.0.0.1:{self.http_port}", f"{HOST}:443:127.0.0.1:{self.https_port}"]

    async def _serve(self, answer: bytes, tls: ssl.SSLContext | None) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _answer(reader, writer, answer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls, limit=_REQUEST_LIMIT)
        self._stack.callback(server.close)
        port: int = server.sockets[0].getsockname()[1]
        return port


_redirect = b"301 Moved Permanently\r\nlocation: https://www.aliyun.com/\r\n"
_welcome = b"200 OK\r\nstrict-transport-security: max-age=31536000\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Answers every request on a connection with the same headers and no body."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            date = formatdate(usegmt=True).encode()
            writer.write(
                b"HTTP/1.1 " + answer + b"server: Tengine\r\ndate: " + date + b"\r\n"
                b"content-type: text/html\r\ncontent-length: 0\r\n\r\n"
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        writer.close()


def _tls(folder: Path) -> ssl.SSLContext:
    """TLS with a new self-signed certificate, which no client is asked to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "stand-in.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


_READY = re.compile(r"^egressd is ready: grpc (\S+), http (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the demo's egressd serves, and its log."""

    grpc: str
    http: str
    log: Path


@asynccontextmanager
async def demo_environment(
    folder: Path, *, real: bool, addresses: tuple[str, str] | None = None
) -> AsyncIterator[Environment]:
    """Runs everything, with state in `folder`, which exists. `real` uses the real site instead of the stand-in;
    `addresses` are those of gRPC and HTTP (None: free ones). Raises ChildFailed if egressd does not start.
    """
    grpc, http = addresses or ("127.0.0.1:0", "127.0.0.1:0")
    async with ExternalSite(folder) as site:
        argv = [sys.executable, "-m", "egress_server", "run", "--data-dir", str(folder), "--local-cluster", CLUSTER]
        argv += ["--grpc-address", grpc, "--http-address", http]
        for resolve in () if real else site.resolve:
            argv += ["--resolve", resolve]
        log = folder / "egressd.log"
        log.unlink(missing_ok=True)
        server = ChildProcess(ChildCommand("egressd", argv, log), ready=lambda: _ready(log), ready_timeout=60, grace=20)
        await server.start()
        try:
            found = _READY.search(log.read_text())
            assert found is not None
            yield Environment(found[1], found[2], log)
        finally:
            await server.stop()


async def _ready(log: Path) -> None:
    """Polls the log of another process, which does not announce that it has grown."""
    while not _READY.search(await asyncio.to_thread(log.read_text)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
