"""What a port of a service entry asks of a sidecar's listener, since that is where strangers get into each other's way.

A sidecar has one listener a port for all that is told apart by what is spoken or by address range, and where HTTP or
TLS is among it, it waits for the client's first bytes. Only TLS and TCP ports of entries with single addresses have
listeners of their own, one an address.
"""

from collections.abc import Iterator
from enum import Enum, auto

from egress_server.domain.model.resources import Resolution, ServiceEntry, ServicePort


class ListenerProtocol(Enum):
    """How a port uses the listener that it shares with all others of its number."""

    HTTP = auto()
    """By request, whatever addresses the entry has."""
    SNI = auto()
    """By server name."""
    RANGE = auto()
    """TCP by address range."""
    TAKES_ALL = auto()
    """TCP without addresses: takes every connection to the port and sends it to the entry's host."""
    PASSES_ALL = auto()
    """TCP without addresses, resolution NONE: takes every connection and sends it where it was going."""


OPAQUE = (ListenerProtocol.RANGE, ListenerProtocol.TAKES_ALL, ListenerProtocol.PASSES_ALL)
"""Those where the server may be the one that speaks first."""


def listener_protocol(entry: ServiceEntry, port: ServicePort) -> ListenerProtocol | None:
    """How `port` of `entry` uses the shared listener; None where it does not."""
    if port.protocol.is_http:
        return ListenerProtocol.HTTP
    if entry.addresses and not any("/" in address for address in entry.addresses):
        return None
    if port.protocol.is_tls:
        return ListenerProtocol.SNI
    if entry.addresses:
        return ListenerProtocol.RANGE
    return ListenerProtocol.PASSES_ALL if entry.resolution is Resolution.NONE else ListenerProtocol.TAKES_ALL


def tcp_without_addresses(entry: ServiceEntry) -> Iterator[tuple[int, ServicePort]]:
    """The ports of `entry` that take every connection to their number, with their positions."""
    if entry.addresses:
        return
    for index, port in enumerate(entry.ports):
        if not port.protocol.is_http and not port.protocol.is_tls:
            yield index, port
