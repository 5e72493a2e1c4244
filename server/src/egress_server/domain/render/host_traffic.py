"""Which VirtualServices and DestinationRules a host needs: one per namespace and visibility, each for other clients.

istiod gives a client the host of its own namespace, else of the oldest entry that is exported to it by name, else of
the oldest that is exported to all; a second entry of the same namespace and visibility only adds ports. Of the
VirtualServices for a host it uses one of the client's namespace that is exported no further than by name, then one that
is exported to the client by name, then the oldest that is exported to all. So an object is exported to exactly those
clients that get the host from its entry. If clients of some entry without settings would get the object of another one,
they get an object without settings.

A fault affects the clients that get the host from an entry of the fault's namespace, and the workloads in the fault's
own namespace, whoever provides the host there.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.resources import ServiceEntry, TrafficSettings
from egress_server.domain.model.selectors import ANY_NAMESPACE, visible_namespaces

OTHER_CLIENTS = ""
"""The namespaces that no entry and no fault names: they see what is exported to all."""
_OBJECT_NAME_PART = re.compile(r"(?=.{1,240}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_OWN = "."
_NO_SETTINGS = TrafficSettings()


@dataclass(frozen=True, slots=True)
class HostTraffic:
    """A host as the namespaces in `export_to` see it, with everything that affects its traffic there.

    `entry` provides the host to them, None if no managed entry does. `namespace` is that of the objects: the entry's,
    or that of the faults if these affect only their own namespace. `is_first` tells the first of several in one
    namespace. `isolates`: without an object of their own, these clients would get that of another entry.
    """

    host: str
    namespace: str
    export_to: tuple[str, ...]
    entry: ServiceEntry | None
    faults: tuple[ActiveFault, ...] = ()
    is_first: bool = True
    isolates: bool = False

    @property
    def is_provider(self) -> bool:
        """Whether it is that of the entry's own namespace."""
        return self.entry is not None and self.entry.namespace == self.namespace

    @property
    def settings(self) -> TrafficSettings:
        """The settings that apply to its clients."""
        return self.entry.traffic if self.entry else _NO_SETTINGS

    @property
    def is_public(self) -> bool:
        """Whether its objects are exported to all namespaces."""
        return ANY_NAMESPACE in self.export_to

    @property
    def resource(self) -> str:
        """The resource that its objects are rendered from."""
        if self.entry and self.is_provider:
            return self.entry.name
        return next(active.fault.name for active in self.faults if active.fault.namespace == self.namespace)

    @property
    def object_name(self) -> str:
        """The name of its objects, unique in their namespace and the same as long as `export_to` is. A host that can't
        be part of a Kubernetes name is replaced by its digest."""
        host = self.host if _OBJECT_NAME_PART.fullmatch(self.host) else _digest(self.host)[:16]
        return f"egress-{host}" if self.is_first else f"egress.{_digest(','.join(self.export_to))[:5]}.{host}"

    @property
    def routing_sources(self) -> list[str]:
        """The resources that require a VirtualService: faults first, then the entry; empty if none does."""
        sources = [active.fault.name for active in self.faults]
        if self.entry is not None and (self.isolates or needs_routes(self.entry)):
            sources.append(self.entry.name)
        return sources

    def sees(self, namespace: str) -> bool:
        """Whether the objects are exported to `namespace`."""
        return self.is_public or namespace in _resolved(self.export_to, self.namespace)


def needs_routes(entry: ServiceEntry) -> bool:
    """Whether an entry requires a VirtualService for its hosts."""
    return entry.traffic.routes_requests and entry.has_http


def virtual_service_rank(export_to: Sequence[str], namespace: str, client: str) -> int:
    """How istiod orders the VirtualServices that workloads of `client` see, before it orders them by age: private ones
    of their own namespace, then those exported to them by name, then those exported to all."""
    if not export_to or ANY_NAMESPACE in export_to:
        return 2
    return 0 if namespace == client else 1


def _oldest_first(effective: Effective, entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    return sorted(entries, key=lambda entry: (effective.create_times[entry.name], entry.name))


def provider(entries: Sequence[ServiceEntry], client: str) -> ServiceEntry | None:
    """The entry of a host that decides for workloads of the namespace `client`, given its entries, oldest first; None
    if they see none of them."""
    named = [entry for entry in entries if not _is_public(entry) and client in visible_namespaces(entry)]
    visible = named + [entry for entry in entries if _is_public(entry)]
    own = (entry for entry in visible if entry.namespace == client)
    return next(own, next(iter(visible), None))


def clients_of(entries: Iterable[ServiceEntry], also: Iterable[str] = ()) -> list[str]:
    """The namespaces that entries of a host treat differently, OTHER_CLIENTS first."""
    named = {entry.namespace for entry in entries} | set(also)
    named |= {namespace for entry in entries for namespace in visible_namespaces(entry)} - {ANY_NAMESPACE}
    return [OTHER_CLIENTS, *sorted(named)]


def host_traffic(effective: Effective, host: str) -> list[HostTraffic]:
    """All objects of one host."""
    entries = _oldest_first(effective, (entry for entry in effective.entries if host in entry.hosts))
    return host_objects(host, entries, [active for active in effective.faults if active.fault.host == host])


def all_host_traffic(effective: Effective) -> Iterator[HostTraffic]:
    """All objects of every host that has an entry or a fault, by host."""
    entries: dict[str, list[ServiceEntry]] = {}
    for entry in _oldest_first(effective, effective.entries):
        for host in entry.hosts:
            entries.setdefault(host, []).append(entry)
    faults: dict[str, list[ActiveFault]] = {}
    for active in effective.faults:
        faults.setdefault(active.fault.host, []).append(active)
    for host in sorted(entries.keys() | faults.keys()):
        yield from host_objects(host, entries.get(host, []), faults.get(host, []))


def host_objects(host: str, entries: Sequence[ServiceEntry], faults: Sequence[ActiveFault] = ()) -> list[HostTraffic]:
    """All objects of a host, given its entries, oldest first, and the faults on it."""
    fault_namespaces = {active.fault.namespace for active in faults}
    clients = clients_of(entries, fault_namespaces)
    providers = {client: provider(entries, client) for client in clients}
    found = []
    for entry in entries:
        if seen_by := [client for client in clients if providers[client] is entry]:
            own = _of_namespaces(faults, {entry.namespace})
            found.append(HostTraffic(host, entry.namespace, _export_to(entry, seen_by), entry, own))
    for client in sorted(fault_namespaces):
        entry_there = providers[client]
        provided_by = entry_there.namespace if entry_there else client
        if entry_there is None or provided_by != client:
            both = _of_namespaces(faults, {client, provided_by})
            found.append(HostTraffic(host, client, (_OWN,), entry_there, both))
    return _isolated(_numbered(found))


def _of_namespaces(faults: Iterable[ActiveFault], namespaces: set[str]) -> tuple[ActiveFault, ...]:
    return tuple(active for active in faults if active.fault.namespace in namespaces)


def _export_to(entry: ServiceEntry, clients: Sequence[str]) -> tuple[str, ...]:
    """The part of the entry's visibility in which it provides the host: `clients`."""
    if OTHER_CLIENTS in clients:
        return (ANY_NAMESPACE,)
    if _is_public(entry):
        return tuple(_OWN if client == entry.namespace else client for client in clients)
    return tuple(to for to in entry.export_to if (entry.namespace if to == _OWN else to) in clients)


def _numbered(found: Iterable[HostTraffic]) -> list[HostTraffic]:
    seen: set[str] = set()
    numbered = []
    for traffic in found:
        numbered.append(replace(traffic, is_first=traffic.namespace not in seen))
        seen.add(traffic.namespace)
    return numbered


def _isolated(found: list[HostTraffic]) -> list[HostTraffic]:
    public = next((traffic for traffic in found if traffic.is_public), None)
    if public is None or len(found) == 1 or not public.routing_sources:
        return found
    return [traffic if traffic is public else replace(traffic, isolates=True) for traffic in found]


def _is_public(entry: ServiceEntry) -> bool:
    return ANY_NAMESPACE in visible_namespaces(entry)


def _resolved(export_to: Iterable[str], namespace: str) -> set[str]:
    return {namespace if to == _OWN else to for to in export_to}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
