"""The external services: they answer as the source document's host does, and record what reached them.

Runs inside the world's network namespace, on every address that the namespace has. HTTP ports
answer 301 and TLS ports 200, as `Tengine`, unless configured otherwise; database ports speak first, as
databases do. A unix socket reports what arrived.
"""

import asyncio
import contextlib
import datetime
import json
import ssl
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.mesh.harness.world.world_ports import DATABASES, HTTP, TLS

_REASONS = {200: "OK", 301: "Moved Permanently", 503: "Service Unavailable"}


@dataclass(slots=True)
class _Behaviour:
    host: str
    status: int
    times: int
    delay: float
    headers: dict[str, str]


@dataclass(slots=True)
class _Request:
    address: str
    port: int
    tls_name: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class _State:
    seen: list[_Request] = field(default_factory=list)
    connections: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    behaviours: dict[str, _Behaviour] = field(default_factory=dict)

    def answer(self, host: str, usual: int) -> _Behaviour:
        """How to answer this request."""
        told = self.behaviours.get(host.split(":")[0])
        if told is None or told.times == 0:
            return _Behaviour(host, usual, -1, 0.0, {})
        told.times -= 1
        return _Behaviour(host, told.status or usual, 0, told.delay, told.headers)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    return method, path, headers


async def _skip_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _web(state: _State, usual: int) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("sockname")[:2]
        state.connections[port].append(address)
        tls = writer.get_extra_info("ssl_object")
        while True:
            method, path, headers = await _read_head(reader)
            await _skip_body(reader, headers)
            name = getattr(tls.context, "asked_name", "") if tls else ""
            state.seen.append(_Request(address, port, name, method, path, headers))
            how = state.answer(headers.get("host", ""), usual)
            await asyncio.sleep(how.delay)
            writer.write(_response(method, path, headers, how, f"{address}:{port}"))
            await writer.drain()

    return handle


def _response(method: str, path: str, headers: dict[str, str], how: _Behaviour, served_by: str) -> bytes:
    """The headers that arrived are the body."""
    body = json.dumps(headers).encode()
    told = {
        "Server": "Tengine",
        "Date": datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Served-By": served_by,
        **how.headers,
    }
    if how.status in range(300, 400):
        told["Location"] = f"https://{headers.get('host', '')}{path}"
    lines = [f"HTTP/1.1 {how.status} {_REASONS.get(how.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in told.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body)


def _database(state: _State) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("sockname")[:2]
        state.connections[port].append(address)
        writer.write(f"hello from {address}:{port}\n".encode())
        while line := await reader.readline():
            writer.write(line)

    return handle


def _control(state: _State) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, headers = await _read_head(reader)
        body = await _skip_body(reader, headers)
        answer = json.dumps(_controlled(state, method, path, json.loads(body or b"null"))).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    return handle


def _controlled(state: _State, method: str, path: str, told: Any) -> Any:
    match method, path.split("/")[1:]:
        case "GET", ["seen"]:
            return [asdict(request) for request in state.seen]
        case "GET", ["connections", port]:
            return state.connections[int(port)]
        case "POST", ["behave"]:
            state.behaviours[told["host"]] = _Behaviour(**told)
        case "POST", ["forget"]:
            state.seen.clear()
            state.connections.clear()
            state.behaviours.clear()
    return None


class _Authority:
    """Makes a certificate for whatever name a client asks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the world")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        whole = x509.BasicConstraints(ca=True, path_length=None)
        root = self._certificate(self._name, whole, self._key)
        draft = folder / "ca.draft"
        draft.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        draft.rename(folder / "ca.pem")

    def server_side(self) -> ssl.SSLContext:
        """A context that changes to that of the name which the client asks for."""
        context = self._context("", [])
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None and name not in self._contexts:
            self._contexts[name] = self._context(name, [x509.DNSName(name)])
        if name is not None:
            connection.context = self._contexts[name]

    def _context(self, name: str, names: list[x509.GeneralName]) -> ssl.SSLContext:
        names = names or [x509.IPAddress(ip_address("198.51.100.10")), x509.IPAddress(ip_address("203.0.113.10"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64] or "no name")])
        certificate = self._certificate(subject, x509.SubjectAlternativeName(names), self._key)
        both = self._folder / "server.pem"
        both.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = _NamedContext(ssl.PROTOCOL_TLS_SERVER)
        context.asked_name = name
        context.load_cert_chain(both)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _certificate(
        self, subject: x509.Name, extension: x509.ExtensionType, key: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30))
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


class _NamedContext(ssl.SSLContext):
    """Records which name it is for."""

    asked_name = ""


async def _serve(folder: Path) -> None:
    state = _State()
    tls = _Authority(folder).server_side()
    for port in HTTP:
        await _listen(_web(state, 301), port, None)
    for port in TLS:
        await _listen(_web(state, 200), port, tls)
    for port in DATABASES:
        await _listen(_database(state), port, None)
    await asyncio.start_unix_server(_quiet(_control(state)), folder / "control.sock")
    await asyncio.Event().wait()


_servers: list[asyncio.Server] = []


async def _listen(handler: Handler, port: int, tls: ssl.SSLContext | None) -> None:
    _servers.append(await asyncio.start_server(_quiet(handler), ("0.0.0.0", "::"), port, ssl=tls, backlog=512))


def _quiet(handler: Handler) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            await handler(reader, writer)
        writer.close()

    return handle


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
