"""EGR0113: a route to a host or port that no entry registers.

A route leads to a cluster in Envoy that exists only if its host and port are registered. Otherwise each request that
takes the route is answered with 503, also under ALLOW_ANY. A wildcard entry is not enough: it registers no cluster for
a single host below it. The entry must be on the same clusters as the route, and visible to the same clients. A
destination without a port means the port of the request, even if the host has only one other.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import EXAMINED, first_clusters, foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry, WeightedDestination
from egress_server.domain.model.selectors import ANY_NAMESPACE, includes, selectors_overlap, visible_namespaces


class RouteToNowhere(Rule[ServiceEntry]):
    """One finding per destination of the entry, and one per other entry whose routes lose their destination."""

    code = "EGR0113"
    severity = Severity.WARNING
    title = "route to a host or port that is not registered"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0101", "IST0112", "KIA1101")

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the destinations of the entry, and the routes of other entries to its hosts."""
        for field, destination in _destinations(entry):
            hosts = [*_registering(snapshot, entry, destination.host, without=entry)]
            if destination.host in entry.hosts:
                hosts.append(entry)
            if problem := _problem(snapshot, entry, destination, hosts):
                yield self.finding(
                    field,
                    f"{problem}, so requests on this route get 503, unless an unreported object on the cluster "
                    "registers it",
                    f"register {destination.host} in an entry, or change the destination",
                )
        before = snapshot.entry(entry.name)
        if before is not None:
            yield from self._lost(snapshot, before, after=entry)

    def check_delete(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the routes of other entries to its hosts."""
        yield from self._lost(snapshot, entry, after=None)

    def _lost(self, snapshot: Snapshot, before: ServiceEntry, after: ServiceEntry | None) -> Iterator[Finding]:
        """The routes of other entries that lead somewhere with `before`, and nowhere with `after` instead; of the first
        EXAMINED entries for each host."""
        for host in before.hosts:
            for source in islice(snapshot.indexes.entries_routing_to(host).values(), EXAMINED):
                if source.name == before.name:
                    continue
                rest = [*_registering(snapshot, source, host, without=before)]
                new = [*rest, after] if after and host in after.hosts else rest
                problems = (
                    _problem(snapshot, source, destination, new)
                    for _, destination in _destinations(source)
                    if destination.host == host and not _problem(snapshot, source, destination, [*rest, before])
                )
                if problem := next(filter(None, problems), ""):
                    yield self.finding(
                        "hosts" if after else "name",
                        f"{source.name} routes requests to {host}; after this change, {problem}, so they get 503",
                        f"change the routes of {source.name} first",
                        source.name,
                    )


def _destinations(entry: ServiceEntry) -> Iterator[tuple[str, WeightedDestination]]:
    if entry.has_http:
        for number, route in enumerate(entry.traffic.routes):
            for index, destination in enumerate(route.destinations):
                yield f"traffic.routes[{number}].destinations[{index}]", destination


def _registering(snapshot: Snapshot, source: ServiceEntry, host: str, without: ServiceEntry) -> Iterator[ServiceEntry]:
    """The entries and unmanaged services that register `host` where `source` applies."""
    for other in snapshot.entries_with_host(host).values():
        if other.name != without.name and selectors_overlap(other.cluster_selector, source.cluster_selector):
            yield other
    for _, service in foreign_on_clusters(snapshot, source, snapshot.inventories.with_host(host)):
        yield service.entry


def _problem(
    snapshot: Snapshot, source: ServiceEntry, destination: WeightedDestination, hosts: Collection[ServiceEntry]
) -> str:
    """Why some requests to `source` get nowhere at the destination; empty if all get somewhere."""
    asked = {destination.port} if destination.port else {p.number for p in source.ports if p.protocol.is_http}
    if not any(entry.ports for entry in hosts):
        return f"no entry registers {destination.host}"
    if missing := sorted(asked - _ports(hosts)):
        return f"no entry registers port {', '.join(map(str, missing))} of {destination.host}"
    for viewer in sorted(visible_namespaces(source)):
        seen = [entry for entry in hosts if viewer in visible_namespaces(entry) or entry.visible_to(viewer)]
        if not asked <= _ports(seen):
            clients = "all namespaces that see this route" if viewer == ANY_NAMESPACE else f"namespace {viewer}"
            return f"{destination.host} is not exported to {clients}"
    if not any(includes(entry.cluster_selector, source.cluster_selector) for entry in hosts):
        for cluster in first_clusters(snapshot, source.cluster_selector):
            there = [entry for entry in hosts if entry.cluster_selector.selects(cluster)]
            if not asked <= _ports(there):
                return f"no entry registers {destination.host} on cluster {cluster.id}"
    return ""


def _ports(entries: Iterable[ServiceEntry]) -> set[int]:
    return {port.number for entry in entries for port in entry.ports}
