"""The registry as the sidecars of one namespace see it: who registers which host and port, and what takes it from whom.

Entries of one host in different namespaces don't merge: the client's own namespace wins even when newer, else the
oldest wins wholly; within one namespace ports merge, the older first (seen on istiod 1.31). And hosts meet on a port:
HTTP is told from the rest by its first bytes, but opaque connections without addresses can't be told apart.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.listener_protocol import listener_protocol
from egress_server.domain.model.names import is_resource, matches_host
from egress_server.domain.model.resources import Labels, Protocol, ServiceEntry, ServicePort
from egress_server.domain.observed.foreign_config import imports, sidecar_name
from egress_server.domain.observed.foreign_services import is_service
from egress_server.domain.observed.inventory import ForeignSidecar
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.simulate.outbound_mode import effective_mode

ALWAYS_HTTP = 80
"""Practically every cluster has an HTTP service of its own on this port, which makes it HTTP for all hosts."""


class OwnerKind(Enum):
    """What registers a host: a resource of ours, a ServiceEntry that is not ours, a Service of the cluster."""

    RESOURCE = "RESOURCE"
    SERVICE_ENTRY = "SERVICE_ENTRY"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class Item:
    """One host and port that an entry registers. `serves` says that connections of the namespace reach it; where they
    don't, `why` says so for people, and `shadowed_by` names the resource that takes them, if one does."""

    host: str
    port: ServicePort
    entry: ServiceEntry
    visible: bool = True
    serves: bool = True
    shadowed_by: str = ""
    why: str = ""

    @property
    def owner_kind(self) -> OwnerKind:
        """What registers it."""
        if is_resource(self.entry.name):
            return OwnerKind.RESOURCE
        return OwnerKind.SERVICE if is_service(self.entry) else OwnerKind.SERVICE_ENTRY

    @property
    def is_http(self) -> bool:
        """Whether its requests are told apart by their Host."""
        return self.port.protocol.is_http

    def exact_addresses(self) -> frozenset[str]:
        """The single addresses at which it has a listener of its own."""
        return frozenset(address for address in self.entry.addresses if "/" not in address)


def registry(
    wanted: Effective,
    namespace: str,
    port: int | None = None,
    hosts: Collection[str] | None = None,
    labels: Labels | None = None,
) -> list[Item]:
    """What is registered as workloads of `namespace` with these labels see it, oldest host first; of one port and of
    these hosts only, where given."""
    everything = wanted.in_sight
    if hosts is None and port is not None:
        hosts = {host for entry, _ in _declaring(everything, port) for host in entry.hosts}
    by_host: dict[str, list[ServiceEntry]] = {}
    for entry in everything:
        for host in entry.hosts:
            if hosts is None or host in hosts:
                by_host.setdefault(host, []).append(entry)
    by_host = {host: _oldest_first(wanted, entries) for host, entries in by_host.items()}
    oldest_first = sorted(by_host, key=lambda host: (wanted.birth(by_host[host][0].name), by_host[host][0].name))
    sight = _Sight(wanted, namespace, effective_mode(wanted, namespace, labels).sidecar)
    items = [item for host in oldest_first for item in _of_host(host, by_host[host], sight)]
    return _settled([item for item in items if port in {None, item.port.number}], assumes_http(wanted, ALWAYS_HTTP))


def assumes_http(wanted: Effective, port: int) -> bool:
    """Whether a port counts as HTTP although nothing that is known registers it so: where it is not known what services
    a cluster has."""
    return port == ALWAYS_HTTP and not (wanted.beside.known and wanted.beside.complete)


def hosts_that_matter(wanted: Effective, destination: Destination, address: str) -> set[str] | None:
    """The hosts whose items can decide on a connection to an `address` (empty where it is not known); None where any on
    its port may.

    A mesh has thousands of hosts on a port. Most are told apart by name: only those that fit by name or address, or
    take whatever comes, have a say.
    """
    declaring = _declaring(wanted.in_sight, destination.port)
    if destination.scheme == "tcp" or any(port.protocol is Protocol.MONGO for _, port in declaring):
        return None
    return {
        host
        for entry, port in declaring
        for host in entry.hosts
        if not (port.protocol.is_http or port.protocol.is_tls)
        or matches_host(host, destination.host)
        or destination.host in entry.addresses
        or (port.protocol.is_tls and any(address == each or "/" in each for each in entry.addresses))
    }


def http_in_sight(wanted: Effective, namespace: str, port: int, sidecar: ForeignSidecar | None) -> bool:
    """Whether workloads of `namespace` see some host with HTTP on this port."""
    sight = _Sight(wanted, namespace, sidecar)
    declaring = (entry for entry, its in _declaring(wanted.in_sight, port) if its.protocol.is_http)
    return any(not sight.why_not(host, entry) for entry in declaring for host in entry.hosts)


def registers(
    wanted: Effective, namespace: str, sidecar: ForeignSidecar | None, port: int, host: str, *, http: bool = False
) -> bool:
    """Whether workloads of `namespace` see `host`, or one below it, registered on this port; as HTTP, if asked so."""
    sight = _Sight(wanted, namespace, sidecar)
    declared = {known for entry, _ in _declaring(wanted.in_sight, port) for known in entry.hosts}
    return any(
        item.serves and item.port.number == port and (item.is_http or not http)
        for known in declared
        if matches_host(host, known)
        for item in _of_host(known, _oldest_first(wanted, (e for e in wanted.in_sight if known in e.hosts)), sight)
    )


def _oldest_first(wanted: Effective, entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    return sorted(entries, key=lambda entry: (wanted.birth(entry.name), entry.name))


def _declaring(entries: Iterable[ServiceEntry], number: int) -> list[tuple[ServiceEntry, ServicePort]]:
    return [(entry, port) for entry in entries for port in entry.ports if port.number == number]


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the sidecars of a namespace are told of. `sidecar` is the one that is not ours and restricts it, if one
    does."""

    wanted: Effective
    namespace: str
    sidecar: ForeignSidecar | None

    def why_not(self, host: str, entry: ServiceEntry) -> str:
        """Why they don't see an entry; empty where they do."""
        if not entry.visible_to(self.namespace):
            whom = ", ".join("its own namespace" if to == "." else to for to in entry.export_to)
            return f"exported to {whom} and not to {self.namespace}"
        if self.sidecar and not imports(self.sidecar, self.namespace, entry.namespace, host):
            return f"not among the egress hosts of {self.wanted.beside.title(sidecar_name(self.sidecar))}"
        return ""

    def winner(self, visible: Sequence[ServiceEntry]) -> tuple[ServiceEntry, str] | None:
        """Whose namespace a host is taken from, and by which rule, of what is visible, oldest first."""
        if not visible:
            return None
        if own := next((entry for entry in visible if entry.namespace == self.namespace), None):
            return own, "the client's own"
        if service := next((entry for entry in visible if is_service(entry)), None):
            return service, "since a Service comes before entries"
        if named := next((entry for entry in visible if self.namespace in entry.export_to), None):
            return named, f"the oldest that is exported to {self.namespace} by name"
        return visible[0], "that of the oldest"


def _of_host(host: str, entries: Sequence[ServiceEntry], sight: _Sight) -> Iterator[Item]:
    """The items of one host, given its entries oldest first."""
    unseen = {entry.name: why for entry in entries if (why := sight.why_not(host, entry))}
    won = sight.winner([entry for entry in entries if entry.name not in unseen])
    declared: dict[int, ServiceEntry] = {}
    for entry in entries:
        for port in entry.ports:
            item = Item(host, port, entry)
            if won is None or entry.name in unseen:
                yield replace(item, visible=False, serves=False, why=unseen[entry.name])
            elif entry.namespace != won[0].namespace:
                yield _shadowed(item, won[0], _namespace_rule(host, *won))
            elif (older := declared.setdefault(port.number, entry)) is not entry:
                why = f"an older entry of namespace {entry.namespace} declares port {port.number} of {host}"
                yield _shadowed(item, older, why)
            else:
                yield item


def _namespace_rule(host: str, winner: ServiceEntry, rule: str) -> str:
    return f"entries of different namespaces don't merge; {host} is taken from {winner.namespace}, {rule}"


def _settled(items: list[Item], always_http: bool) -> list[Item]:
    """The items after those of one port have met, older ones first; `always_http` says that what is not known here
    makes ALWAYS_HTTP what it is called."""
    first: dict[int, Item] = {}
    claims: dict[tuple[int, str, str], Item] = {}
    settled = []
    for item in items:
        if item.serves and listener_protocol(item.entry, item.port) is not None:
            assumed = always_http and item.port.number == ALWAYS_HTTP
            there = None if assumed else first.setdefault(item.port.number, item)
            if _is_mongo(item) != (there is not None and _is_mongo(there)):
                item = _apart(item, there)
        if item.serves and not item.is_http:
            item = _claim(item, claims)
        settled.append(item)
    return settled


def _is_mongo(item: Item) -> bool:
    return item.port.protocol is Protocol.MONGO


def _apart(item: Item, there: Item | None) -> Item:
    """MONGO does not share a listener with what waits for the client's first words, and nothing does with it."""
    whose = f"{there.host} of an older entry" if there else "the mesh's own services"
    why = f"MONGO shares a port with no other protocol, and port {item.port.number} is taken by {whose}"
    return replace(item, serves=False, shadowed_by=there.entry.name if there else "", why=why)


def _claim(item: Item, claims: dict[tuple[int, str, str], Item]) -> Item:
    """Opaque connections are told apart by address and, with TLS, by server name, but for those to a single address,
    which has a listener of its own; what an older item has, it keeps."""
    name = item.host if item.port.protocol.is_tls else ""
    exact = item.exact_addresses()
    addresses = item.entry.addresses or ("",)
    keys = [(item.port.number, address, "" if address in exact else name) for address in addresses]
    holders = [claims.setdefault(key, item) for key in keys]
    if any(holder is item or holder.entry is item.entry for holder in holders):
        return item
    where = "at the same addresses" if item.entry.addresses else "without addresses"
    why = f"{holders[0].host} of an older entry takes every connection to port {item.port.number} {where}"
    return _shadowed(item, holders[0].entry, why)


def _shadowed(item: Item, by: ServiceEntry, why: str) -> Item:
    return replace(item, serves=False, shadowed_by=by.name, why=why)
