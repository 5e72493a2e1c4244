"""The listening socket of the HTTP server, at HOST:PORT or unix:PATH, and who is at the other end of a connection."""

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from egress_server.api.server import is_served
from egress_server.auth.local import PEER_UID
from egress_server.config import split_address

_UNIX = "unix:"
_UCRED = struct.Struct("iII")
"""pid, uid, gid (unix(7))."""


def bound_socket(address: str) -> tuple[socket.socket, str]:
    """The socket, and its address with the port that was taken. Raises OSError if that is not possible."""
    if address.startswith(_UNIX):
        return _bound_path(address), address
    listener = _bound_port(address)
    return listener, f"{address.rpartition(':')[0]}:{listener.getsockname()[1]}"


def close_socket(listener: socket.socket) -> None:
    """Closes the socket, and deletes the path of one that has a path."""
    if listener.family == socket.AF_UNIX and listener.fileno() >= 0:
        with contextlib.suppress(FileNotFoundError):
            Path(listener.getsockname()).unlink()
    listener.close()


def _bound_port(address: str) -> socket.socket:
    host, port = split_address(address)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(listener, (host, port), address)


def _bound_path(address: str) -> socket.socket:
    path = Path(address.removeprefix(_UNIX))
    if is_served(str(path)):
        raise OSError(f"can't listen on {address} for HTTP: another process is listening there")
    if path.is_socket():  # left over
        path.unlink()
    return _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path), address)


def _bound(listener: socket.socket, where: tuple[str, int] | str, address: str) -> socket.socket:
    try:
        listener.bind(where)
    except OSError as error:
        listener.close()
        raise OSError(f"can't listen on {address} for HTTP: {error.strerror or error}") from error
    return listener


class UnixHttpProtocol(HttpToolsProtocol):
    """HTTP over a unix socket. The client of a request is `uid` and the user id that the kernel has for the peer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        # A duplicate, because uvloop's own object can't read options.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as peer:
            _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        self.client = (PEER_UID.rstrip(":"), uid)
