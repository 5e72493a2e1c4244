"""What rules about foreign objects share (EGR07xx): looking them up on the first few clusters that a resource applies
to, and naming them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.observed.foreign_services import ForeignService

V = TypeVar("V")
_VERSION = re.compile(r"(\d+)\.(\d+)")
SHOWN = 3
"""How many names a message lists."""
EXAMINED = 50
"""How many clusters, or different objects, a rule examines at most: a write must not cost more if there are more."""


def on_clusters(snapshot: Snapshot, selector: ClusterSelector, found: Mapping[str, V]) -> Iterator[tuple[Cluster, V]]:
    """Of values by cluster id, those on registered clusters that `selector` matches, among the first EXAMINED."""
    candidates = {id_: found[id_] for id_ in selector.clusters if id_ in found} if selector.clusters else found
    for id_, value in islice(candidates.items(), EXAMINED):
        cluster = snapshot.cluster(id_)
        if cluster is not None and selector.selects(cluster):
            yield cluster, value


def first_clusters(snapshot: Snapshot, selector: ClusterSelector) -> list[Cluster]:
    """Of the first EXAMINED registered clusters, those that `selector` matches."""
    if selector.clusters:
        named = (snapshot.cluster(id_) for id_ in selector.clusters[:EXAMINED])
        return [cluster for cluster in named if cluster]
    names = islice(snapshot.names(ResourceKind.CLUSTER), EXAMINED)
    found = (snapshot.cluster(parse_name(name).id) for name in names)
    return [cluster for cluster in found if cluster and selector.selects(cluster)]


def foreign_on_clusters(
    snapshot: Snapshot, entry: ServiceEntry, found: Mapping[str, tuple[ForeignService, ...]]
) -> Iterator[tuple[Cluster, ForeignService]]:
    """The same for foreign services, without those that have become managed, or contain managed fields."""
    for cluster, services in on_clusters(snapshot, entry.cluster_selector, found):
        for service in services:
            managed = service.resource and snapshot.get(service.resource)
            adopted = service.entry.name in cluster.orders.adopted
            if not managed and service.resource != entry.name and not adopted:
                yield cluster, service


def first_names(names: Iterable[str]) -> str:
    """The first few names, comma-separated."""
    first = list(islice(dict.fromkeys(names), SHOWN + 1))
    return ", ".join(first[:SHOWN]) + (", ..." if len(first) > SHOWN else "")


def all_reported(snapshot: Snapshot, selector: ClusterSelector) -> bool:
    """Whether all clusters that `selector` matches, of the first EXAMINED, have reported their namespaces. One that has
    not may have any."""
    selected = first_clusters(snapshot, selector)
    reports = [snapshot.inventories.get(cluster.id) for cluster in selected]
    return bool(selected) and all(report is not None and report.namespaces for report in reports)


def older_than(version: str, minimum: tuple[int, int]) -> bool:
    """Whether a version of Istio is known and older than `minimum`."""
    found = _VERSION.match(version)
    return found is not None and (int(found[1]), int(found[2])) < minimum
