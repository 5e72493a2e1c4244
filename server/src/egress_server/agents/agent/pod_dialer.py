"""Connections from inside a pod, as its applications make them: iptables redirect them to the sidecar, or leave them
alone.

Nothing is sent before it is known which. The kernel's list of sockets in this network namespace shows it: iptables
redirect a connection to the port that the sidecar listens on, and there the kernel lists its other end, a socket on
that port whose remote end is the address and port that the probe connects from. Nothing else shows it in a default
injected pod, where the sidecar keeps no counters of its listeners.
"""

import asyncio
import errno
import itertools
import os
import random
import re
import socket
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from egress_server.agents.agent.dialer import Dialled, NoRoute
from egress_server.agents.agent.resolver import DialTarget, Endpoint

CAPTURE_PORT = 15001
"""The port that iptables redirect outbound connections to, unless `meshConfig.proxyListenPort` sets another port."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# The state of a connection that has ended: left behind by an earlier probe.
_TIME_WAIT = b"06"
_LISTEN = b"0A"


def read_tables() -> bytes:
    """The sockets of this network namespace, of both families. Raises OSError if /proc is not Linux's."""
    return b"".join(table.read_bytes() for table in _TABLES if table.exists())


def is_captured(tables: bytes, client: Endpoint, port: int = CAPTURE_PORT) -> bool:
    """Whether a connection from `client` has arrived at `port`."""
    address = b"|".join(_spellings(client[0]))
    row = rb": [0-9A-F]+:%04X (?:%b):%04X (?!%b )" % (port, address, client[1], _TIME_WAIT)
    return re.search(row, tables) is not None


def listener(tables: bytes, port: int = CAPTURE_PORT, *, ipv6: bool = False) -> int | None:
    """The user id of the process that listens on `port`; None if none does. A listener for IPv6 may accept IPv4 as
    well, but not the reverse."""
    address = rb"[0-9A-F]{32}" if ipv6 else rb"[0-9A-F]+"
    row = rb": %b:%04X 0+:0000 %b \S+ \S+ \S+ +(\d+) " % (address, port, _LISTEN)
    found = re.search(row, tables)
    return int(found[1]) if found else None


def _spellings(address: str) -> list[bytes]:
    """How the tables write an address: IPv4 also as IPv4-mapped IPv6, for sockets of both families."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return [_kernel_hex(parsed.packed)]
    return [_kernel_hex(parsed.packed), _kernel_hex(IPv6Address(f"::ffff:{parsed}").packed)]


def _kernel_hex(packed: bytes) -> bytes:
    """32-bit words, each in the machine's own byte order."""
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return b"".join(b"%08X" % int.from_bytes(word, sys.byteorder) for word in words)


_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LAST_PORT = 65535
_MAX_TRIES = 16
# Connecting to the sidecar takes well below a millisecond.
_SETTLE_SECONDS = 0.25
# Of Linux, tcp_states.h.
_SYN_SENT = 2
_CLOSE = 7


class SourcePorts:
    """Ports to connect from, which applications in the pod don't get.

    Connections to different destinations may come from the same port. Once both are redirected to the sidecar they
    can't, and the kernel gives the later one another port on the way, for up to two minutes after the earlier one has
    ended. The sidecar would see a probe come from a port that is not the probe's, and the probe would seem not to be
    captured.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        """`ports` are used in turn; if there are none, the kernel chooses a free one."""
        start = random.randrange(len(ports)) if ports else 0
        self._ports = itertools.cycle((*ports[start:], *ports[:start]))
        self._attempts = min(len(ports), _MAX_TRIES)

    def bind(self, connection: socket.socket, address: str) -> None:
        """Binds a socket to the next free port; raises OSError if there is none at all."""
        for port in itertools.islice(self._ports, self._attempts):
            try:
                connection.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        connection.bind((address, 0))


def own_ports() -> SourcePorts:
    """The ports above those that this network namespace gives to applications."""
    highest = int(_PORT_RANGE.read_text().split()[1])
    return SourcePorts(range(highest + 1, _LAST_PORT + 1))


class PodDialer:
    """Connects as an application would, and checks whether the sidecar has captured the connection."""

    def __init__(self, ports: SourcePorts, capture_port: int = CAPTURE_PORT) -> None:
        self._ports = ports
        self._capture_port = capture_port

    async def __call__(self, target: DialTarget) -> Dialled:
        """Connects. Raises OSError if iptables redirect it to a sidecar that is gone, NoRoute if no connection can be
        made from here at all."""
        began = time.monotonic()
        connection = self._connect(target.dialled)
        try:
            await _settle(connection)
            took = time.monotonic() - began
            tables = await asyncio.to_thread(read_tables)
            captured = is_captured(tables, connection.getsockname()[:2], self._capture_port)
            state = _state(connection)
            if not captured and state == _CLOSE:
                self._require_listener(tables, target.dialled)
            unfinished = state == _SYN_SENT or (not captured and state == _CLOSE)
            return Dialled(connection, captured, target.dialled if unfinished else None, took)
        except BaseException:
            connection.close()
            raise

    def _connect(self, destination: Endpoint) -> socket.socket:
        ipv6 = _is_ipv6(destination)
        try:
            connection = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise NoRoute(error.errno, f"no route to {destination[0]} from here: {error.strerror}") from error
        try:
            connection.setblocking(False)
            self._ports.bind(connection, "::" if ipv6 else "0.0.0.0")
            code = connection.connect_ex(destination)
            if code not in {0, errno.EINPROGRESS, errno.ECONNREFUSED}:
                raise NoRoute(code, f"no route to {destination[0]} from here: {os.strerror(code)}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_listener(self, tables: bytes, destination: Endpoint) -> None:
        """A connection that fails may have been redirected to a sidecar that is gone."""
        if listener(tables, self._capture_port, ipv6=_is_ipv6(destination)) is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nothing listens on port {self._capture_port}")


async def _settle(connection: socket.socket) -> None:
    """Waits until it is made or rejected, but not long. To the sidecar it is made immediately, and listed from then on;
    a destination that takes longer is elsewhere."""
    loop = asyncio.get_running_loop()
    settled = asyncio.Event()
    loop.add_writer(connection, settled.set)
    try:
        async with asyncio.timeout(_SETTLE_SECONDS):
            await settled.wait()
    except TimeoutError:
        pass  # still connecting
    finally:
        loop.remove_writer(connection)


def _is_ipv6(destination: Endpoint) -> bool:
    return ip_address(destination[0]).version == 6


def _state(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
