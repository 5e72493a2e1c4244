"""EGR0701: a host that an unmanaged object registers as well.

A managed entry is never merged with an unmanaged one, because its object has a label of its own: one of the two serves
all ports of the host, and the ports of the other one do not exist (istio#31483, #50478, #52546). Within one namespace
that is the older one. Otherwise a client gets what its own namespace has, else a Service of the mesh, else the oldest
that is exported to it by name, else the oldest.
"""

from collections.abc import Iterator
from itertools import groupby

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.lint.same_host import HostView, registration, views
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.foreign_services import ForeignService, is_service
from egress_server.domain.simulate.merging import unmanaged


class HostConflict(Rule[ServiceEntry]):
    """At most one finding per host, about the first object that matters."""

    code = "EGR0701"
    severity = Severity.WARNING
    title = "host that an unmanaged object registers as well"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA1211",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign services with the same hosts on the clusters that the entry applies to."""
        for index, host in enumerate(entry.hosts):
            found = foreign_on_clusters(snapshot, entry, snapshot.inventories.with_host(host))
            for _, pairs in groupby(found, key=lambda pair: pair[0].id):
                clusters, services = zip(*pairs, strict=True)
                if finding := self._on_cluster(snapshot, entry, index, clusters[0], services):
                    yield finding
                    break

    def _on_cluster(
        self,
        snapshot: Snapshot,
        entry: ServiceEntry,
        index: int,
        cluster: Cluster,
        services: tuple[ForeignService, ...],
    ) -> Finding | None:
        host = entry.hosts[index]
        by_name = {service.entry.name: service for service in services}
        others = [registration(snapshot, other) for other in _managed_on(snapshot, host, cluster, entry)]
        everything = [*others, *map(unmanaged, services)]
        for view in views(everything, registration(snapshot, entry)):
            other = by_name.get(view.first.entry.name)
            if other and (effect := _effect(entry, other, view)):
                return self.finding(
                    f"hosts[{index}]",
                    f"on cluster {cluster.id}, {other.description} also registers {host}: {effect}",
                    _fix(other, cluster),
                )
        return None


def _managed_on(snapshot: Snapshot, host: str, cluster: Cluster, entry: ServiceEntry) -> Iterator[ServiceEntry]:
    for other in snapshot.entries_with_host(host).values():
        if other.name != entry.name and other.cluster_selector.selects(cluster):
            yield other


def _effect(entry: ServiceEntry, other: ForeignService, view: HostView) -> str:
    """The effect if clients get the other object instead of the entry, or lose ports because of the entry."""
    if not view.served:
        used = f"clients in {view.clients} use the other one, {_precedence(entry, other)}"
        ports = ", ".join(map(str, sorted(view.unserved)))
        return f"they are not merged, and {used}; " + (
            f"port {ports} of this entry is not served there" if ports else "this entry has no effect there"
        )
    if view.lost:
        ports = ", ".join(map(str, sorted(view.lost)))
        return f"they are not merged, and clients in {view.clients} use this one, without port {ports}"
    if other.entry.namespace == entry.namespace:
        return f"they are not merged, and clients in {view.clients} use this one, which is the older"
    return ""


def _precedence(entry: ServiceEntry, other: ForeignService) -> str:
    if is_service(other.entry):
        return "because a Service takes precedence"
    return "which is the older" if other.entry.namespace == entry.namespace else "which takes precedence there"


def _fix(other: ForeignService, cluster: Cluster) -> str:
    separate = f"change or remove {other.description}, or separate the two by export_to"
    if not is_resource(other.resource):
        return separate
    namespace, name = other.entry.name.split("/")[1:]
    return (
        f"declare all ports in one managed entry {namespace}/{name} and run `egressctl cluster adopt {cluster.id} "
        f"{other.entry.name}`; or {separate}"
    )
