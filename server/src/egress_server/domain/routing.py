"""What a sidecar does with a captured connection before it leaves: the listener it lands on, the service it is taken
for, the fault on its route. As istiod 1.31 configures it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from egress_server.domain.effective import ActiveFault, Effective
from egress_server.domain.probe import Destination, matches_host
from egress_server.domain.registry import ALWAYS_HTTP, Item
from egress_server.domain.resources import Fault, HeaderMatch, Labels, MatchKind, ServiceEntry


@dataclass(frozen=True, slots=True)
class Listener:
    """What takes the connections to a port, or to single addresses of it: the items that it tells apart."""

    items: tuple[Item, ...] = ()
    reads_http: bool = False

    @property
    def waits_for_tls(self) -> bool:
        """Whether it waits for the client's first bytes, to find a server name."""
        return not self.reads_http and any(item.port.protocol.is_tls for item in self.items)

    @property
    def owner(self) -> ServiceEntry | None:
        """The entry that makes the listener what it is: the oldest. None where that is no entry's doing."""
        kind = (item for item in self.items if item.is_http or item.port.protocol.is_tls)
        return next((item.entry for item in kind), None)

    def understands(self, destination: Destination) -> bool:
        """Whether it can do anything with what the client says first."""
        if self.reads_http:
            return destination.scheme == "http"
        return destination.scheme != "tcp" or not self.waits_for_tls

    def taker(self, destination: Destination, address: str) -> Item | None:
        """The item that gets the connection; None where it is nobody's."""
        if not self.understands(destination):
            return None
        if self.reads_http:
            return _closest(self.items, destination.host)
        return _opaque(self.items, destination, address)


def find_listener(items: Sequence[Item], destination: Destination, address: str) -> Listener:
    """The listener of an `address` (empty where it is not known), given all items of the port. One of the single
    address comes before that of the whole port."""
    serving = [item for item in items if item.serves]
    opaque = [item for item in serving if not item.is_http]
    if at_address := [item for item in opaque if _has_address(item, destination.host, address)]:
        return Listener(tuple(at_address))
    http = [item for item in serving if item.is_http]
    if http or destination.port == ALWAYS_HTTP:
        return Listener(tuple(http), reads_http=True)
    return Listener(tuple(item for item in opaque if not item.entry.addresses or _networks(item)))


def fault_on(
    wanted: Effective,
    taker: Item | None,
    destination: Destination,
    namespace: str,
    labels: Labels,
    headers: Mapping[str, str],
) -> ActiveFault | None:
    """The fault on the route of an HTTP request: of those for the host that speaks for it, the first that fits."""
    host = _speaking_host(wanted, taker, destination, namespace)
    return next(
        (
            active
            for active in wanted.faults
            if active.fault.host == host and not why_not(active.fault, destination.port, namespace, labels, headers)
        ),
        None,
    )


def why_not(fault: Fault, port: int, namespace: str, labels: Labels, headers: Mapping[str, str]) -> str:
    """What keeps a fault on the right host from such a request, for people; empty where nothing does. Whether a regular
    expression fits is left to the sidecar: here it counts as fitting."""
    if fault.ports and port not in fault.ports:
        return f"it is for port {', '.join(map(str, fault.ports))}"
    if fault.source_namespace not in {"", namespace}:
        return f"it is for workloads of namespace {fault.source_namespace}"
    if not fault.source_labels.items() <= labels.items():
        return f"it is for workloads labelled {labels_text(fault.source_labels)}"
    given = {name.lower(): value for name, value in headers.items()}
    missing = next((match for match in fault.match_headers if not _fits(match, given.get(match.name))), None)
    return f"it is for requests whose header {missing.name} {_condition(missing)}" if missing else ""


def may_spare(fault: Fault) -> bool:
    """Whether a request that fits may pass undisturbed: delay and abort throw dice, and whether a regular expression
    fits only the sidecar can say."""
    unsure = any(match.kind is MatchKind.REGEX for match in fault.match_headers)
    return unsure or max(part.percent for part in (fault.delay, fault.abort) if part) < 100


def seen_through(listener: Listener, destination: Destination) -> bool:
    """Whether the sidecar sees requests in such a connection, which faults need."""
    return listener.reads_http and listener.understands(destination)


def effect_of(fault: Fault) -> str:
    """What a fault does to requests, for people."""
    parts = []
    if fault.delay:
        parts.append(f"delays {fault.delay.percent:g} % of the requests by {fault.delay.seconds:g} s")
    if fault.abort:
        status = f"HTTP {fault.abort.http_status}" if fault.abort.http_status else f"gRPC {fault.abort.grpc_status}"
        parts.append(f"answers {fault.abort.percent:g} % with {status}")
    return " and ".join(parts)


def labels_text(labels: Labels) -> str:
    """Labels as people write them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _speaking_host(wanted: Effective, taker: Item | None, destination: Destination, namespace: str) -> str:
    """The host whose VirtualService routes the request; empty where none with a fault does. One for a host that nobody
    registered counts only on the port that is always HTTP, and there it leads nowhere but to its fault."""
    hosts = {active.fault.host for active in wanted.faults}
    if destination.port == ALWAYS_HTTP:
        foreign = (host for host in hosts if matches_host(host, destination.host))
        best = max((h for h in foreign if not _registered(wanted, namespace, h)), key=_closeness, default="")
        if best and (taker is None or _closeness(best) > _closeness(taker.host)):
            return best
    if taker is None:
        return ""
    best = max((host for host in hosts if matches_host(host, taker.host)), key=_closeness, default="")
    return best if _routes_for(wanted, best, namespace) else ""


def _registered(wanted: Effective, namespace: str, host: str) -> bool:
    """Whether the namespace sees the host, or a host below it, in the registry."""
    visible = (entry for entry in wanted.entries if entry.visible_to(namespace))
    return any(matches_host(host, known) for entry in visible for known in entry.hosts)


def _routes_for(wanted: Effective, host: str, namespace: str) -> bool:
    """Whether the namespace sees the routes of a host: they go where the oldest entry for it is exported to."""
    speaking = [entry for entry in wanted.entries if host in entry.hosts]
    oldest = min(speaking, key=lambda entry: (wanted.created[entry.name], entry.name), default=None)
    return oldest is None or oldest.visible_to(namespace)


def _fits(match: HeaderMatch, value: str | None) -> bool:
    if value is None:
        return False
    if match.kind is MatchKind.EXACT:
        return value == match.value
    return match.kind is not MatchKind.PREFIX or value.startswith(match.value)


def _condition(match: HeaderMatch) -> str:
    words = {MatchKind.EXACT: "is", MatchKind.PREFIX: "begins with", MatchKind.REGEX: "fits"}
    return f"{words[match.kind]} {match.value!r}" if match.kind in words else "is there"


def _opaque(items: Iterable[Item], destination: Destination, address: str) -> Item | None:
    """By address first, the smallest range before the larger ones; then by server name; then what takes everything."""
    ranged = [item for item in items if item.entry.addresses]
    open_to_all = [item for item in items if not item.entry.addresses]
    near = [(width, item) for item in ranged if (width := _width(item, destination.host, address)) is not None]
    closest = [item for width, item in near if width == max(width for width, _ in near)]
    by_name = _by_server_name(closest or open_to_all, destination)
    return by_name or next((item for item in open_to_all if not item.port.protocol.is_tls), None)


def _by_server_name(items: Sequence[Item], destination: Destination) -> Item | None:
    named = _closest([item for item in items if item.port.protocol.is_tls], destination.host)
    if named and destination.speaks_tls:
        return named
    return next((item for item in items if not item.port.protocol.is_tls), None)


def _closest(items: Iterable[Item], host: str) -> Item | None:
    """The exact host, or one of the service's addresses in its place, before a wildcard; the longest wildcard first."""
    fitting = [item for item in items if matches_host(item.host, host) or host in item.exact_addresses()]
    return max(fitting, key=lambda item: (host in item.exact_addresses(), *_closeness(item.host)), default=None)


def _closeness(host: str) -> tuple[bool, int]:
    return not host.startswith("*"), len(host)


def _has_address(item: Item, host: str, address: str) -> bool:
    """Whether a single address of the item is dialled; where that is not known, the host's own are."""
    exact = item.exact_addresses()
    return address in exact if address else bool(exact) and matches_host(item.host, host)


def _width(item: Item, host: str, address: str) -> int | None:
    """Bits of the item's smallest range that has the address; None where none has. Where the address is not known, the
    host's own are dialled."""
    if not address:
        return 0 if matches_host(item.host, host) else None
    if address in item.exact_addresses():
        return ip_address(address).max_prefixlen
    its = ip_address(address)
    widths = [n.prefixlen for n in _networks(item) if n.version == its.version and its in n]
    return max(widths, default=None)


def _networks(item: Item) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text, strict=False) for text in item.entry.addresses if "/" in text]
