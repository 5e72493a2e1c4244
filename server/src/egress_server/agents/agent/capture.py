"""Whether the sidecar has caught a connection, by the kernel's own list of sockets in this network namespace.

iptables redirect a connection to the port that the sidecar listens at. There the kernel lists its other end: a socket
at that port whose remote end is the address and port that the probe connects from. Nothing else shows it in a default
injected pod, where the sidecar keeps no counters of its listeners.
"""

import re
import sys
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from egress_server.agents.agent.resolver import Endpoint

CAPTURE_PORT = 15001
"""Where iptables send outbound connections, unless `meshConfig.proxyListenPort` says otherwise."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# The state of a connection that is over: what an earlier probe has left behind.
_TIME_WAIT = b"06"
_LISTEN = b"0A"


def read_tables() -> bytes:
    """The sockets of this network namespace, of both families; raises OSError where /proc is not Linux's."""
    return b"".join(table.read_bytes() for table in _TABLES if table.exists())


def is_caught(tables: bytes, client: Endpoint, port: int = CAPTURE_PORT) -> bool:
    """Whether a connection from `client` has arrived at `port`."""
    address = b"|".join(_spellings(client[0]))
    row = rb": [0-9A-F]+:%04X (?:%b):%04X (?!%b )" % (port, address, client[1], _TIME_WAIT)
    return re.search(row, tables) is not None


def listener(tables: bytes, port: int = CAPTURE_PORT, *, ipv6: bool = False) -> int | None:
    """The user id of the process that listens at `port`; None where none does. One that listens for IPv6 may take
    IPv4 as well, but not the other way."""
    address = rb"[0-9A-F]{32}" if ipv6 else rb"[0-9A-F]+"
    row = rb": %b:%04X 0+:0000 %b \S+ \S+ \S+ +(\d+) " % (address, port, _LISTEN)
    found = re.search(row, tables)
    return int(found[1]) if found else None


def _spellings(address: str) -> list[bytes]:
    """How the tables write an address: IPv4 also as IPv6 wraps it, for sockets that take both."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return [_words(parsed.packed)]
    return [_words(parsed.packed), _words(IPv6Address(f"::ffff:{parsed}").packed)]


def _words(packed: bytes) -> bytes:
    """Words of 32 bits, each in the machine's own byte order."""
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return b"".join(b"%08X" % int.from_bytes(word, sys.byteorder) for word in words)
