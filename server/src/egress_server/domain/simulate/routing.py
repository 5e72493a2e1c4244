"""What a sidecar does with a captured connection before it leaves: the listener it lands on, the service it is taken
for, the fault on its route. As istiod 1.31 configures it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import Fault, HeaderMatch, Labels, MatchKind, ServiceEntry
from egress_server.domain.observed.foreign_config import imports
from egress_server.domain.observed.inventory import ForeignSidecar, ForeignVirtualService
from egress_server.domain.probe.judge import Destination
from egress_server.domain.render.host_settings import traffic_of
from egress_server.domain.render.virtual_service import asking_for_one, has_routes
from egress_server.domain.simulate.registry import ALWAYS_HTTP, Item, registers


@dataclass(frozen=True, slots=True)
class Listener:
    """What takes the connections to a port, or to one address of it: the items that it tells apart, older ones
    first. HTTP is found out by its first bytes where the listener `reads_http`; whatever else there is goes by address
    range and server name. `inspects` says that it waits for the client's first bytes. One of a single address does
    not: all that is dialled there `is_ones`, TLS to other names too."""

    items: tuple[Item, ...] = ()
    reads_http: bool = False
    inspects: bool = False
    is_ones: bool = False

    @property
    def by_name(self) -> bool:
        """Whether server names tell some of its connections apart."""
        return not self.is_ones and any(item.port.protocol.is_tls for item in self.items)

    def owner(self, *, http: bool) -> ServiceEntry | None:
        """The oldest entry that has it read HTTP; else that has it look at what comes first at all. None where that is
        no entry's doing."""
        kind = (item for item in self.items if item.is_http or (not http and item.port.protocol.is_tls))
        return next((item.entry for item in kind), None)

    def understands(self, destination: Destination) -> bool:
        """Whether anything comes of it: a client that waits for the server to speak is not told from any other."""
        return destination.scheme != "tcp" or not self.inspects

    def taker(self, destination: Destination, address: str) -> Item | None:
        """The item that gets the connection; None where it is nobody's."""
        if not self.understands(destination):
            return None
        if self.is_ones:
            return self.items[0]
        if self.reads_http and destination.scheme == "http":
            return _closest([item for item in self.items if item.is_http], destination.host)
        return _opaque([item for item in self.items if not item.is_http], destination, address)


@dataclass(frozen=True, slots=True)
class ClientWorkload:
    """Who asks. `sidecar` is the one that is not ours and says what the workload sees, if there is one."""

    namespace: str
    labels: Labels
    sidecar: ForeignSidecar | None = None


def find_listener(items: Sequence[Item], destination: Destination, address: str, *, assumed_http: bool) -> Listener:
    """The listener of an `address` (empty where it is not known), given all items of the port, and whether something
    that is not known has the port read HTTP. One of the single address comes before that of the whole port."""
    serving = [item for item in items if item.serves]
    at_address = [item for item in serving if not item.is_http and _has_address(item, destination.host, address)]
    if at_address:
        return Listener(tuple(at_address), is_ones=True)
    shared = [item for item in serving if item.is_http or not item.entry.addresses or _networks(item)]
    reads_http = assumed_http or any(item.is_http for item in shared)
    inspects = reads_http or any(item.port.protocol.is_tls for item in shared)
    opaque = [item for item in shared if not item.is_http]
    if any(_width(item, destination.host, address) is not None for item in opaque if item.entry.addresses):
        # A range comes before what is spoken: HTTP to its addresses is not seen as such.
        return Listener(tuple(opaque), inspects=inspects)
    return Listener(tuple(shared), reads_http, inspects)


@dataclass(frozen=True, slots=True)
class Routing:
    """Whose rules route a request: those of `host`, by `foreign` where the VirtualService is not ours, else by that of
    our resource `ours`; by none where all are empty. `fault` is ours, and on the first of its routes that fits.
    `strayed` is whether nobody registers the host on this port, so that routes which name no other one lead nowhere."""

    host: str = ""
    foreign: ForeignVirtualService | None = None
    ours: str = ""
    fault: ActiveFault | None = None
    strayed: bool = False


def route(
    wanted: Effective, taker: Item | None, asked: Destination, client: ClientWorkload, headers: Mapping[str, str]
) -> Routing:
    """What routes an HTTP request of a workload, and the fault of ours on its way, if there is one."""
    found = _router(wanted, taker, asked, client)
    if found.foreign or not found.host:
        return found
    faults = (active for active in wanted.faults if active.fault.host == found.host)
    fitting = (a for a in faults if not why_not(a.fault, asked.port, client.namespace, client.labels, headers))
    return replace(found, fault=next(fitting, None))


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
    return listener.reads_http and destination.scheme == "http"


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


def _router(wanted: Effective, taker: Item | None, destination: Destination, client: ClientWorkload) -> Routing:
    """The VirtualService that routes the request: the one with the closest host, of several the oldest, and where an
    older one of others stands in the way of ours, its applier reports that."""
    by_age = sorted(_routers(wanted, client, destination, taker), key=lambda each: (each[0], bool(each[1].foreign)))
    everybody = [routing for _, routing in by_age]
    stray = _closest_host(
        routing
        for routing in everybody
        if matches_host(routing.host, destination.host) and _strays(wanted, client, destination.port, routing)
    )
    if stray.host and (taker is None or _closeness(stray.host) > _closeness(taker.host)):
        return replace(stray, strayed=True)
    if taker is None:
        return Routing()
    return _closest_host(routing for routing in everybody if matches_host(routing.host, taker.host))


def _routers(
    wanted: Effective, client: ClientWorkload, to: Destination, taker: Item | None
) -> Iterator[tuple[datetime, Routing]]:
    """All VirtualServices that the client sees for the destination, and when each came to be: of ours that is not
    known, but not before the first resource that it is made for."""
    for vs in wanted.beside.virtual_services:
        yield from ((vs.create_time, Routing(host, foreign=vs)) for host in vs.hosts if _sees(client, vs, host))
    hosts = {active.fault.host for active in wanted.faults}
    hosts |= {host for entry in wanted.entries if has_routes(entry) for host in entry.hosts}
    for host in hosts:
        if matches_host(host, to.host) or (taker and matches_host(host, taker.host)):
            traffic = traffic_of(wanted, host)
            asking = asking_for_one(traffic)
            exported = traffic.entry is None or traffic.entry.visible_to(client.namespace)
            if asking and exported and _imports(client, traffic.namespace, host):
                yield min(wanted.created[name] for name in asking), Routing(host, ours=asking[0])


def _strays(wanted: Effective, client: ClientWorkload, port: int, routing: Routing) -> bool:
    """Whether nobody registers the host on the port, and it is routed there all the same: on port 80 always, and where
    another host of the same VirtualService is HTTP."""

    def registered(host: str, *, http: bool = False) -> bool:
        return registers(wanted, client.namespace, client.sidecar, port, host, http=http)

    beside = routing.foreign.hosts if routing.foreign else ()
    if registered(routing.host):
        return False
    return port == ALWAYS_HTTP or any(registered(host, http=True) for host in beside)


def _closest_host(routings: Iterable[Routing]) -> Routing:
    """The first of those with the closest host; that of nobody where there are none."""
    return max(routings, key=lambda routing: _closeness(routing.host), default=Routing())


def _sees(client: ClientWorkload, vs: ForeignVirtualService, host: str) -> bool:
    """Whether sidecars of the client heed a VirtualService for a host."""
    exported = not vs.export_to or any(
        to in {"*", client.namespace} or (to == "." and vs.namespace == client.namespace) for to in vs.export_to
    )
    return exported and _imports(client, vs.namespace, host)


def _imports(client: ClientWorkload, namespace: str, host: str) -> bool:
    return client.sidecar is None or imports(client.sidecar, client.namespace, namespace, host)


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
