"""The listener of the sidecar that a captured connection reaches, and which registered host it is for, as istiod 1.31
configures it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.simulate.registry import RegistryItem


@dataclass(frozen=True, slots=True)
class Listener:
    """The listener of a port, or of one address of it, with the items that it distinguishes, older ones first.

    With `reads_http` it detects HTTP by its first bytes; everything else goes by address range and server name. With
    `inspects` it waits for the client's first bytes. The listener of a `single_address` does not: it sends everything
    to its item, TLS to other server names included.
    """

    items: tuple[RegistryItem, ...] = ()
    reads_http: bool = False
    inspects: bool = False
    single_address: bool = False

    @property
    def by_server_name(self) -> bool:
        """Whether it distinguishes some of its connections by server name."""
        return not self.single_address and any(item.port.protocol.is_tls for item in self.items)

    def inspection_source(self, *, http: bool) -> ServiceEntry | None:
        """The oldest entry because of which it reads HTTP or, without `http`, inspects connections at all. None if no
        entry causes that."""
        found = (item for item in self.items if item.is_http or (not http and item.port.protocol.is_tls))
        return next((item.entry for item in found), None)

    def can_handle(self, destination: Destination) -> bool:
        """Whether the connection gets anywhere: a client that waits for the server to speak first hangs on a listener
        that waits for the client."""
        return destination.scheme != "tcp" or not self.inspects

    def sees_requests(self, destination: Destination) -> bool:
        """Whether the sidecar sees requests in such a connection, which faults require."""
        return self.reads_http and destination.scheme == "http"

    def owner(self, destination: Destination, address: str) -> RegistryItem | None:
        """The item that gets the connection; None if it is unregistered."""
        if not self.can_handle(destination):
            return None
        if self.single_address:
            return self.items[0]
        if self.sees_requests(destination):
            return _closest([item for item in self.items if item.is_http], destination.host)
        return _opaque([item for item in self.items if not item.is_http], destination, address)


def find_listener(
    items: Sequence[RegistryItem], destination: Destination, address: str, *, assumed_http: bool
) -> Listener:
    """The listener of an `address` (empty if unknown), given all items of the port; `assumed_http`: something unknown
    makes it an HTTP port. The listener of a single address takes precedence over that of the whole port."""
    reachable = [item for item in items if item.reachable]
    at_address = [item for item in reachable if not item.is_http and _has_address(item, destination.host, address)]
    if at_address:
        return Listener(tuple(at_address), single_address=True)
    shared = [item for item in reachable if item.is_http or not item.entry.addresses or _networks(item)]
    reads_http = assumed_http or any(item.is_http for item in shared)
    inspects = reads_http or any(item.port.protocol.is_tls for item in shared)
    opaque = [item for item in shared if not item.is_http]
    if any(_prefix_length(item, destination.host, address) is not None for item in opaque if item.entry.addresses):
        # A range takes precedence over the protocol: HTTP to its addresses is not read as such.
        return Listener(tuple(opaque), inspects=inspects)
    return Listener(tuple(shared), reads_http, inspects)


def closeness(host: str) -> tuple[bool, int]:
    """Sorts the hosts that match a name: exact ones last, and wildcards by length."""
    return not host.startswith("*"), len(host)


def _opaque(items: Iterable[RegistryItem], destination: Destination, address: str) -> RegistryItem | None:
    """By address, the smallest range first; then by server name; then an item that captures every connection."""
    ranged = [item for item in items if item.entry.addresses]
    catch_all = [item for item in items if not item.entry.addresses]
    matching = [(n, item) for item in ranged if (n := _prefix_length(item, destination.host, address)) is not None]
    closest = [item for n, item in matching if n == max(n for n, _ in matching)]
    by_name = _by_server_name(closest or catch_all, destination)
    return by_name or next((item for item in catch_all if not item.port.protocol.is_tls), None)


def _by_server_name(items: Sequence[RegistryItem], destination: Destination) -> RegistryItem | None:
    named = _closest([item for item in items if item.port.protocol.is_tls], destination.host)
    if named and destination.speaks_tls:
        return named
    return next((item for item in items if not item.port.protocol.is_tls), None)


def _closest(items: Iterable[RegistryItem], host: str) -> RegistryItem | None:
    """The item with the exact host, or with `host` as one of its addresses, before the longest matching wildcard."""
    matching = [item for item in items if matches_host(item.host, host) or host in item.single_addresses()]
    return max(matching, key=lambda item: (host in item.single_addresses(), *closeness(item.host)), default=None)


def _has_address(item: RegistryItem, host: str, address: str) -> bool:
    """Whether a single address of the item is dialed; if the address is unknown, the host's own is assumed."""
    single = item.single_addresses()
    return address in single if address else bool(single) and matches_host(item.host, host)


def _prefix_length(item: RegistryItem, host: str, address: str) -> int | None:
    """The prefix length of the item's smallest range that contains the address; None if there is none. If the address
    is unknown, the host's own is assumed."""
    if not address:
        return 0 if matches_host(item.host, host) else None
    if address in item.single_addresses():
        return ip_address(address).max_prefixlen
    ip = ip_address(address)
    lengths = [n.prefixlen for n in _networks(item) if n.version == ip.version and ip in n]
    return max(lengths, default=None)


def _networks(item: RegistryItem) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text, strict=False) for text in item.entry.addresses if "/" in text]
