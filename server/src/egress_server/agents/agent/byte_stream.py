"""Byte streams for an attempt: over a socket, and TLS over that.

TLS runs over memory buffers, since only then can it be distinguished whether the peer closed, reset or rejected the
connection during the handshake, which is the evidence. It also makes asyncio and uvloop report the same.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

_CHUNK = 65536


class ByteStream(Protocol):
    """A byte stream in both directions. All connection errors are OSError."""

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; empty at the end."""


class SocketStream:
    """A stream over a connected, non-blocking socket, which its owner closes."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; empty at the end."""
        return await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)


class TlsStream:
    """TLS as a client over another stream; call `handshake` first.

    Certificates are not verified. The question is what the mesh does with a connection, not whom it reaches, and a host
    set with `--resolve` may have no trusted certificate.
    """

    def __init__(self, below: ByteStream, server_name: str) -> None:
        """Raises ValueError if `server_name` is invalid. An IP address is not sent as a server name."""
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        """Raises ssl.SSLEOFError if the peer closed, another SSLError if the handshake failed, OSError."""
        await self._run(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""
        await self._run(lambda: self._tls.write(data))

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; empty at the end, with or without a close_notify."""
        try:
            return await self._run(lambda: self._tls.read(_CHUNK))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def _run(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._below.receive():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            await self._flush()
            return result

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._below.send(data)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
