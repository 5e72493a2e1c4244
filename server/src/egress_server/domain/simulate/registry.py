"""The registry as the sidecars of one namespace see it: who registers which host and port, and who takes precedence.

Entries of one host in different namespaces are not merged: the client's own namespace wins even if its entry is newer,
else the oldest wins entirely; within one namespace ports are merged, oldest first (as istiod 1.31 does). Hosts also
compete for a port: HTTP is detected by its first bytes, but opaque connections without addresses can't be
distinguished.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.listener_protocol import listener_protocol
from egress_server.domain.model.names import is_resource, matches_host
from egress_server.domain.model.resources import Protocol, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import imports, sidecar_name
from egress_server.domain.observed.foreign_services import is_service
from egress_server.domain.observed.inventory import ForeignSidecar
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.simulate.outbound_mode import effective_mode

ALWAYS_HTTP = 80
"""Practically every cluster has an HTTP Service on this port, which makes it an HTTP port for all hosts."""


class OwnerKind(Enum):
    """What registers a host: a managed resource, a foreign ServiceEntry, or a Service of the cluster."""

    RESOURCE = "RESOURCE"
    SERVICE_ENTRY = "SERVICE_ENTRY"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class RegistryItem:
    """One host and port that an entry registers. `reachable`: connections from the namespace reach it; if not, `reason`
    explains it for humans, and `shadowed_by` names the resource that gets them instead, if there is one."""

    host: str
    port: ServicePort
    entry: ServiceEntry
    visible: bool = True
    reachable: bool = True
    shadowed_by: str = ""
    reason: str = ""

    @property
    def owner_kind(self) -> OwnerKind:
        """What registers it."""
        if is_resource(self.entry.name):
            return OwnerKind.RESOURCE
        return OwnerKind.SERVICE if is_service(self.entry) else OwnerKind.SERVICE_ENTRY

    @property
    def is_http(self) -> bool:
        """Whether its requests are distinguished by their Host."""
        return self.port.protocol.is_http

    def single_addresses(self) -> frozenset[str]:
        """The single addresses at which it has a listener of its own."""
        return frozenset(address for address in self.entry.addresses if "/" not in address)


def registry(
    effective: Effective,
    namespace: str,
    port: int | None = None,
    hosts: Collection[str] | None = None,
    labels: Labels | None = None,
) -> list[RegistryItem]:
    """The items as workloads of `namespace` with these labels see them, oldest host first; if given, only those of one
    port and of these hosts."""
    everything = effective.all_entries
    if hosts is None and port is not None:
        hosts = {host for entry, _ in _declaring(everything, port) for host in entry.hosts}
    by_host: dict[str, list[ServiceEntry]] = {}
    for entry in everything:
        for host in entry.hosts:
            if hosts is None or host in hosts:
                by_host.setdefault(host, []).append(entry)
    by_host = {host: _oldest_first(effective, entries) for host, entries in by_host.items()}
    oldest_first = sorted(
        by_host, key=lambda host: (effective.create_time(by_host[host][0].name), by_host[host][0].name)
    )
    visibility = _Visibility(effective, namespace, effective_mode(effective, namespace, labels).sidecar)
    items = [item for host in oldest_first for item in _items_of_host(host, by_host[host], visibility)]
    return _with_port_conflicts(
        [item for item in items if port in {None, item.port.number}], assumes_http(effective, ALWAYS_HTTP)
    )


def assumes_http(effective: Effective, port: int) -> bool:
    """Whether a port counts as HTTP although no known entry declares it so, because the cluster's Services are not
    fully known."""
    return port == ALWAYS_HTTP and not (effective.foreign.known and effective.foreign.complete)


def relevant_hosts(effective: Effective, destination: Destination, address: str) -> set[str] | None:
    """The hosts whose items can affect a connection to an `address` (empty if unknown); None if any host with this port
    can.

    A mesh may have thousands of hosts on a port, most of which are distinguished by name: only those that match by name
    or address, or capture every connection, matter.
    """
    declaring = _declaring(effective.all_entries, destination.port)
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


def has_visible_http(effective: Effective, namespace: str, port: int, sidecar: ForeignSidecar | None) -> bool:
    """Whether workloads of `namespace` see some host with HTTP on this port."""
    visibility = _Visibility(effective, namespace, sidecar)
    declaring = (entry for entry, its in _declaring(effective.all_entries, port) if its.protocol.is_http)
    return any(not visibility.hidden_reason(host, entry) for entry in declaring for host in entry.hosts)


def is_registered(
    effective: Effective, namespace: str, sidecar: ForeignSidecar | None, port: int, host: str, *, http: bool = False
) -> bool:
    """Whether workloads of `namespace` see `host`, or a host that matches it, registered on this port; with `http`, as
    HTTP."""
    visibility = _Visibility(effective, namespace, sidecar)
    declared = {known for entry, _ in _declaring(effective.all_entries, port) for known in entry.hosts}
    return any(
        item.reachable and item.port.number == port and (item.is_http or not http)
        for known in declared
        if matches_host(host, known)
        for item in _items_of_host(
            known, _oldest_first(effective, (e for e in effective.all_entries if known in e.hosts)), visibility
        )
    )


def _oldest_first(effective: Effective, entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    return sorted(entries, key=lambda entry: (effective.create_time(entry.name), entry.name))


def _declaring(entries: Iterable[ServiceEntry], number: int) -> list[tuple[ServiceEntry, ServicePort]]:
    return [(entry, port) for entry in entries for port in entry.ports if port.number == number]


@dataclass(frozen=True, slots=True)
class _Visibility:
    """What istiod sends to the sidecars of a namespace. `sidecar` is the foreign Sidecar that restricts it, if any."""

    effective: Effective
    namespace: str
    sidecar: ForeignSidecar | None

    def hidden_reason(self, host: str, entry: ServiceEntry) -> str:
        """Why the sidecars don't see an entry; empty if they do."""
        if not entry.visible_to(self.namespace):
            exported = ", ".join("its own namespace" if to == "." else to for to in entry.export_to)
            return f"exported to {exported} but not to {self.namespace}"
        if self.sidecar and not imports(self.sidecar, self.namespace, entry.namespace, host):
            return f"not among the egress hosts of {self.effective.foreign.describe(sidecar_name(self.sidecar))}"
        return ""

    def preferred(self, visible: Sequence[ServiceEntry]) -> tuple[ServiceEntry, str] | None:
        """The entry whose namespace provides a host, and why, given the visible entries, oldest first."""
        if not visible:
            return None
        if own := next((entry for entry in visible if entry.namespace == self.namespace), None):
            return own, "it is the client's own namespace"
        if service := next((entry for entry in visible if is_service(entry)), None):
            return service, "a Service takes precedence over service entries"
        if named := next((entry for entry in visible if self.namespace in entry.export_to), None):
            return named, f"its entry is the oldest that is exported to {self.namespace} by name"
        return visible[0], "its entry is the oldest"


def _items_of_host(host: str, entries: Sequence[ServiceEntry], visibility: _Visibility) -> Iterator[RegistryItem]:
    """The items of one host, given its entries, oldest first."""
    hidden = {entry.name: reason for entry in entries if (reason := visibility.hidden_reason(host, entry))}
    preferred = visibility.preferred([entry for entry in entries if entry.name not in hidden])
    declared: dict[int, ServiceEntry] = {}
    for entry in entries:
        for port in entry.ports:
            item = RegistryItem(host, port, entry)
            if preferred is None or entry.name in hidden:
                yield replace(item, visible=False, reachable=False, reason=hidden[entry.name])
            elif entry.namespace != preferred[0].namespace:
                yield _shadowed(item, preferred[0], _namespace_reason(host, *preferred))
            elif (older := declared.setdefault(port.number, entry)) is not entry:
                reason = f"an older entry in namespace {entry.namespace} already declares port {port.number} of {host}"
                yield _shadowed(item, older, reason)
            else:
                yield item


def _namespace_reason(host: str, preferred: ServiceEntry, rule: str) -> str:
    return (
        f"entries in different namespaces are not merged, and {host} is provided by namespace {preferred.namespace} "
        f"because {rule}"
    )


def _with_port_conflicts(items: list[RegistryItem], always_http: bool) -> list[RegistryItem]:
    """The items after conflicts on their ports, which older items win; `always_http`: unknown Services are assumed to
    make ALWAYS_HTTP an HTTP port."""
    first: dict[int, RegistryItem] = {}
    claims: dict[tuple[int, str, str], RegistryItem] = {}
    resolved = []
    for item in items:
        if item.reachable and listener_protocol(item.entry, item.port) is not None:
            assumed = always_http and item.port.number == ALWAYS_HTTP
            holder = None if assumed else first.setdefault(item.port.number, item)
            if _is_mongo(item) != (holder is not None and _is_mongo(holder)):
                item = _protocol_conflict(item, holder)
        if item.reachable and not item.is_http:
            item = _claim(item, claims)
        resolved.append(item)
    return resolved


def _is_mongo(item: RegistryItem) -> bool:
    return item.port.protocol is Protocol.MONGO


def _protocol_conflict(item: RegistryItem, holder: RegistryItem | None) -> RegistryItem:
    """MONGO can't share a listener with protocols for which it waits for the client's first bytes."""
    user = f"{holder.host} of an older entry" if holder else "the cluster's own Services"
    reason = f"MONGO can't share a port with other protocols, and port {item.port.number} is already used by {user}"
    return replace(item, reachable=False, shadowed_by=holder.entry.name if holder else "", reason=reason)


def _claim(item: RegistryItem, claims: dict[tuple[int, str, str], RegistryItem]) -> RegistryItem:
    """Opaque connections are distinguished by address and, with TLS, by server name, except for those to a single
    address, which has a listener of its own. An older item keeps what it has claimed."""
    name = item.host if item.port.protocol.is_tls else ""
    single = item.single_addresses()
    addresses = item.entry.addresses or ("",)
    keys = [(item.port.number, address, "" if address in single else name) for address in addresses]
    holders = [claims.setdefault(key, item) for key in keys]
    if any(holder is item or holder.entry is item.entry for holder in holders):
        return item
    where = "at the same addresses" if item.entry.addresses else "because it has no addresses"
    reason = f"{holders[0].host} of an older entry captures every connection to port {item.port.number} {where}"
    return _shadowed(item, holders[0].entry, reason)


def _shadowed(item: RegistryItem, by: ServiceEntry, reason: str) -> RegistryItem:
    return replace(item, reachable=False, shadowed_by=by.name, reason=reason)
