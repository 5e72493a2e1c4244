"""The services, VirtualServices and DestinationRules of a cluster, found by host and port.

A mesh may have ten thousand entries, and one question concerns a few: services are made when they are asked for, and
managed objects are rendered then.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import groupby

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import ServiceEntry, ServicePort
from egress_server.domain.observed.foreign_services import is_service
from egress_server.domain.render.host_traffic import needs_routes
from egress_server.domain.render.virtual_service import render_virtual_services
from egress_server.domain.simulate.istiod.destination_rules import DestinationRules
from egress_server.domain.simulate.istiod.hosts import is_wildcard
from egress_server.domain.simulate.istiod.services import ANY, MeshService, services_of
from egress_server.domain.simulate.istiod.virtual_services import VirtualService, foreign_virtual_services, managed

_RECENT = 4
_MOST_TURNS = 16
ALWAYS_ROUTED = 80
"""On this port istiod gives hosts of VirtualServices routes even if nothing registers them."""


class World:
    """An index of what takes effect on a cluster."""

    def __init__(self, effective: Effective) -> None:
        """The index of `effective`, which must not change."""
        self.effective = effective
        self._entries: dict[str, list[ServiceEntry]] = defaultdict(list)
        self._by_port: dict[int, list[ServiceEntry]] = defaultdict(list)
        for entry in (*effective.all_entries, *effective.foreign.aliases):
            for host in entry.hosts:
                self._entries[host].append(entry)
            for number in {port.number for port in self.ports(entry)}:
                self._by_port[number].append(entry)
        self._services: dict[str, list[MeshService]] = {}
        self._first: dict[str, dict[str, MeshService]] = {}
        self._rendered: dict[str, list[VirtualService]] = {}
        self._turn = 0
        self._turned: dict[int, World] = {}
        self.ties: dict[str, list[list[MeshService]]] = defaultdict(list)
        """Of the hosts asked for so far, the services of one namespace that are equally old."""
        self.rules = DestinationRules(effective)

    def ports(self, entry: ServiceEntry) -> Iterable[ServicePort]:
        """The ports of an entry, or of the Service that it was converted from."""
        known = self.effective.foreign.known_services.get(entry.hosts[0]) if is_service(entry) else None
        return known.ports if known else entry.ports

    def assumes_http(self, port: int) -> bool:
        """Whether some unknown Service is assumed to make a port an HTTP port: practically every cluster has one on
        port 80."""
        foreign = self.effective.foreign
        return port == ALWAYS_ROUTED and not (foreign.known and foreign.complete)

    def on_port(self, number: int) -> list[ServiceEntry]:
        """The entries that declare a port."""
        return self._by_port.get(number, [])

    def services(self, host: str) -> list[MeshService]:
        """The services of exactly this host, as an entry spells it, oldest first; which of several that are equally old
        is the first depends on the turn."""
        if host not in self._services:
            found = [
                service
                for entry in self._entries.get(host.lower(), ())
                for service in services_of(self.effective, entry)
                if service.host == host
            ]
            self._services[host] = list(self._in_order(host, found))
        return self._services[host]

    def _in_order(self, host: str, services: Iterable[MeshService]) -> Iterator[MeshService]:
        for _, group in groupby(sorted(services, key=lambda service: service.order), lambda service: service.order):
            tied = list(group)
            if len(tied) > 1 and not self._turn:
                self.ties[host].append(tied)
            first = self._turn % len(tied)
            yield from (*tied[first:], *tied[:first])

    def turns(self) -> "Iterator[World]":
        """The other orders in which istiod may take the services that are equally old: it sorts them by creation time,
        in seconds, but lists those of one host and namespace in random order (SortServicesByCreationTime in Istio's
        push_context.go). In each of these worlds, which share their index, another one is the first."""
        most = max((len(tied) for groups in self.ties.values() for tied in groups), default=1)
        for turn in range(1, min(most, _MOST_TURNS)):
            if turn not in self._turned:
                world = copy(self)
                world._turn, world._services, world._first = turn, {}, {}
                self._turned[turn] = world
            yield self._turned[turn]

    def spellings(self, host: str) -> set[str]:
        """How entries spell a host in lower case: case counts for the names of clusters."""
        return {host, *self._odd_spellings.get(host, ())}

    @cached_property
    def _odd_spellings(self) -> dict[str, list[str]]:
        odd: dict[str, list[str]] = defaultdict(list)
        for known in self.effective.foreign.foreign_entries.values():
            for host in known.entry.hosts:
                if host != host.lower():
                    odd[host.lower()].append(host)
        return odd

    def first_services(self, host: str) -> dict[str, MeshService]:
        """The service of a host in each namespace: the Kubernetes Service, else the oldest."""
        if host not in self._first:
            first: dict[str, MeshService] = {}
            for service in self.services(host):
                known = first.get(service.namespace)
                if known is None or (service.kubernetes and not known.kubernetes):
                    first[service.namespace] = service
            self._first[host] = first
        return self._first[host]

    @cached_property
    def wildcards(self) -> list[str]:
        """The wildcard hosts of entries."""
        return [host for host in self._entries if is_wildcard(host)]

    def hosts(self) -> Iterable[str]:
        """All hosts of entries, in lower case."""
        return self._entries

    def hosts_with_connection_rules(self) -> Iterator[str]:
        """The hosts of VirtualServices that route connections by TLS or TCP rules: only foreign ones do."""
        yield from (host for vs in self._foreign if vs.spec.tls or vs.spec.tcp for host in vs.spec.hosts)

    def concrete(self, host: str) -> list[str]:
        """The host that an ExternalName Service finally names; empty if `host` is none."""
        seen = {host}
        target = self._targets.get(host)
        while target in self._targets and target not in seen:
            seen.add(target)
            target = self._targets[target]
        return [target] if target and target not in seen else []

    def aliases(self, host: str) -> list[str]:
        """The ExternalName Services that name a host."""
        return [alias for alias in self._targets if self.concrete(alias) == [host]]

    @cached_property
    def _targets(self) -> dict[str, str]:
        known = self.effective.foreign.known_services.values()
        return {service.host: service.external_name for service in known if service.external_name}

    @cached_property
    def _foreign(self) -> list[VirtualService]:
        return list(foreign_virtual_services(self.effective))

    @cached_property
    def _managed_hosts(self) -> dict[str, None]:
        """The hosts with managed VirtualServices."""
        hosts = {active.fault.host: None for active in self.effective.faults}
        return hosts | {host: None for entry in self.effective.entries if needs_routes(entry) for host in entry.hosts}

    def _of_host(self, host: str) -> list[VirtualService]:
        if host not in self._rendered:
            entries = tuple(entry for entry in self._entries.get(host, ()) if is_resource(entry.name))
            faults = tuple(active for active in self.effective.faults if active.fault.host == host)
            rendered = render_virtual_services(replace(self.effective, entries=entries, faults=faults))
            found = [
                managed(self.effective, obj)
                for obj in rendered
                if obj["spec"]["hosts"] == [host]
                and obj["metadata"]["namespace"] not in self.effective.foreign.ignored_namespaces
            ]
            self._rendered[host] = [vs for vs in found if not self._is_refused(vs, host)]
        return self._rendered[host]

    def _is_refused(self, vs: VirtualService, host: str) -> bool:
        """Whether a managed VirtualService is not applied: for some client Istio prefers a foreign one for its host,
        even if that has no rule for the connection (targets/kubernetes/project/virtual_services.py)."""
        clients = vs.export_to - {ANY} or {vs.namespace}
        return any(
            other.visible_to(client) and (other.order < vs.order or other.rank(client) < vs.rank(client))
            for other in self._foreign
            if host in other.spec.hosts
            for client in clients
        )

    def virtual_services(self, hosts: Iterable[str], wildcards: Iterable[str] = ()) -> list[VirtualService]:
        """All foreign VirtualServices, and the managed ones of these `hosts` and of the wildcards that include one of
        them or that overlap with one of the `wildcards`."""
        wanted = set(hosts)
        suffixes = tuple(host[1:] for host in wildcards)
        found = [host for host in self._managed_hosts if host in wanted or is_wildcard(host) or host.endswith(suffixes)]
        return [*self._foreign, *(vs for host in found for vs in self._of_host(host))]

    def virtual_services_to(self, host: str) -> Iterator[VirtualService]:
        """Those with a destination at a host."""
        yield from (vs for vs in self._foreign if any(target.host == host for target in vs.targets()))
        for source in self._managed_sources.get(host, ()):
            yield from (vs for vs in self._of_host(source) if any(target.host == host for target in vs.targets()))

    @cached_property
    def _managed_sources(self) -> dict[str, dict[str, None]]:
        """The hosts whose managed VirtualServices have a destination at a host."""
        sources: dict[str, dict[str, None]] = defaultdict(dict)
        for host in self._managed_hosts:
            sources[host][host] = None
        for entry in self.effective.entries:
            if needs_routes(entry):
                for target in (each for route in entry.traffic.routes for each in route.destinations):
                    sources[target.host].update(dict.fromkeys(entry.hosts))
        return sources


_recent: deque[World] = deque(maxlen=_RECENT)


def world_of(effective: Effective) -> World:
    """The index of `effective`. The last few are kept, as many questions are asked about each."""
    for known in tuple(_recent):
        if known.effective is effective:
            return known
    world = World(effective)
    _recent.append(world)
    return world
