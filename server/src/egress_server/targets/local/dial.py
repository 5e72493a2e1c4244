"""Connections into the local Envoy, as an application's would reach its sidecar.

In a pod iptables redirect a connection, and the sidecar asks the kernel for its original destination. Here the dialer
connects to Envoy and sends the destination in a PROXY protocol header.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from egress_server.formats.proxy_protocol import Endpoint, encode_header

_LONGEST_SOCKET_PATH = 107  # bytes of sockaddr_un, less the final zero


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address that reaches the unix socket at `path` within the block, however long the path is."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def open_connection(envoy: Path, destination: Endpoint, upstream: Endpoint | None = None) -> socket.socket:
    """Connects to `destination`, an IP address and port, through the Envoy that listens at `envoy`.

    `upstream` is where that destination really is; it is used if no registered service claims the connection. The
    socket is non-blocking, ready for `asyncio.open_connection(sock=...)`. An open socket proves nothing about the
    destination: Envoy accepts first.

    Raises OSError if Envoy does not respond, ValueError if an address or port is malformed.
    """
    header = encode_header(upstream or destination, destination)
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        with socket_address(envoy) as address:
            await loop.sock_connect(connection, address)
        await loop.sock_sendall(connection, header)
    except BaseException:
        connection.close()
        raise
    return connection
