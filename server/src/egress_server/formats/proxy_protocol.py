"""The header with which a client passes a connection's original addresses to a proxy.

In a meshed pod, iptables redirect connections to the sidecar and keep the original destination on the socket. Without
iptables, the PROXY protocol (version 2) carries it. Source: "The PROXY protocol", section 2.2, by HAProxy.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

Endpoint = tuple[str, int]
"""An IP address as text, and a port."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP_OVER = {4: 0x11, 6: 0x21}


def encode_header(source: Endpoint, destination: Endpoint) -> bytes:
    """Return the version 2 header of a TCP connection from `source` to `destination`.

    Raises:
        ValueError: an address is not an IP address, a port is not 0 to 65535, or the IP versions differ (the format has
            one for both).
    """
    (from_ip, from_port), (to_ip, to_port) = _parse(source), _parse(destination)
    if from_ip.version != to_ip.version:
        raise ValueError(f"{from_ip} and {to_ip} have different IP versions")
    addresses = from_ip.packed + to_ip.packed + struct.pack("!HH", from_port, to_port)
    family = _TCP_OVER[from_ip.version]
    return _SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, family, len(addresses)) + addresses


def _parse(endpoint: Endpoint) -> tuple[IPv4Address | IPv6Address, int]:
    text, port = endpoint
    if not 0 <= port <= 0xFFFF:
        raise ValueError(f"port {port} is not between 0 and 65535")
    address = IPv6Address(text) if ":" in text else IPv4Address(text)
    return address, port
