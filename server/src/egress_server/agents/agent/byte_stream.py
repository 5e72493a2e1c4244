"""A byte stream as an attempt needs it: over a socket, and TLS over that.

TLS is run by hand over memory buffers, since only so it can be told apart whether the peer closed, reset or refused
during the handshake: that is the evidence. It also makes asyncio and uvloop say the same.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

_CHUNK = 65536


class ByteStream(Protocol):
    """Bytes both ways. All errors of the connection are OSError."""

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""

    async def receive(self) -> bytes:
        """What has come, at least one byte; nothing at the end."""


class SocketStream:
    """A stream over a connected, non-blocking socket, which stays its owner's to close."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        """What has come, at least one byte; nothing at the end."""
        return await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)


class TlsStream:
    """TLS as a client over another stream; `handshake` comes first.

    Certificates are not verified. The question is what the mesh does with a connection, not whom it reaches; and a
    stand-in has no certificate that the world trusts.
    """

    def __init__(self, below: ByteStream, server_name: str) -> None:
        """Raises ValueError where `server_name` can't be one. An IP address is not sent as a server name."""
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        """Raises ssl.SSLEOFError where the peer closed, another SSLError where it can't be agreed, OSError."""
        await self._run(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """Sends all of `data`."""
        await self._run(lambda: self._tls.write(data))

    async def receive(self) -> bytes:
        """What has come, at least one byte; nothing at the end, proper or not."""
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
