"""How a port of a service entry uses a sidecar's listener, which is where unrelated entries affect each other.

A sidecar has one listener per port for all traffic that it distinguishes by protocol or by address range. If any of it
is HTTP or TLS, the listener waits for the client's first bytes. Only TLS and TCP ports of entries with single addresses
have listeners of their own, one per address.
"""

from collections.abc import Iterator
from enum import Enum, auto

from egress_server.domain.model.resources import Protocol, Resolution, ServiceEntry, ServicePort


class ListenerProtocol(Enum):
    """How a port uses the listener that it shares with all others of its number."""

    HTTP = auto()
    """By request, whatever addresses the entry has."""
    SNI = auto()
    """By server name."""
    RANGE = auto()
    """TCP by address range."""
    CATCH_ALL = auto()
    """TCP without addresses: captures every connection to the port and sends it to the entry's host."""
    CATCH_ALL_PASSTHROUGH = auto()
    """TCP without addresses, resolution NONE: captures every connection and sends it to its original destination."""


OPAQUE = (ListenerProtocol.RANGE, ListenerProtocol.CATCH_ALL, ListenerProtocol.CATCH_ALL_PASSTHROUGH)
"""The ones whose server may speak first."""


def listener_protocol(entry: ServiceEntry, port: ServicePort) -> ListenerProtocol | None:
    """How `port` of `entry` uses the shared listener; None if it does not use it, such as any UDP port."""
    if port.protocol is Protocol.UDP:
        return None
    if port.protocol.is_http:
        return ListenerProtocol.HTTP
    if entry.addresses and not any("/" in address for address in entry.addresses):
        return None
    if port.protocol.is_tls:
        return ListenerProtocol.SNI
    if entry.addresses:
        return ListenerProtocol.RANGE
    if entry.resolution is Resolution.NONE:
        return ListenerProtocol.CATCH_ALL_PASSTHROUGH
    return ListenerProtocol.CATCH_ALL


def tcp_without_addresses(entry: ServiceEntry) -> Iterator[tuple[int, ServicePort]]:
    """The ports of `entry` that capture every connection to their number, with their positions."""
    if entry.addresses:
        return
    for index, port in enumerate(entry.ports):
        if not port.protocol.is_http and not port.protocol.is_tls and port.protocol is not Protocol.UDP:
            yield index, port
