"""What the rules about other people's objects share (EGR07xx): of the clusters where something of others stands, the
first few that the resource is for, and how they are named."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.resources import Cluster, ClusterSelector, ServiceEntry
from egress_server.domain.observed.foreign_services import ForeignService

V = TypeVar("V")
SHOWN = 3
LOOKED_AT = 50
"""At most so many clusters, or different objects, are looked at: a write may not cost more where there are more."""


def on_clusters(snapshot: Snapshot, selector: ClusterSelector, found: Mapping[str, V]) -> Iterator[tuple[Cluster, V]]:
    """Of what is found by cluster, that on registered clusters which `selector` selects; of many clusters only the
    first are looked at."""
    named = {id_: found[id_] for id_ in selector.clusters if id_ in found} if selector.clusters else found
    for id_, value in islice(named.items(), LOOKED_AT):
        cluster = snapshot.cluster(id_)
        if cluster is not None and selector.selects(cluster):
            yield cluster, value


def others(
    snapshot: Snapshot, entry: ServiceEntry, found: Mapping[str, tuple[ForeignService, ...]]
) -> Iterator[tuple[Cluster, ForeignService]]:
    """The same of neighbours of `entry`, less those that are ours by now, or have ours in them."""
    for cluster, there in on_clusters(snapshot, entry.cluster_selector, found):
        for neighbour in there:
            ours = neighbour.resource and snapshot.get(neighbour.resource)
            if not ours and neighbour.resource != entry.name and neighbour.entry.name not in cluster.adopted:
                yield cluster, neighbour


def title(neighbour: ForeignService) -> str:
    """A neighbour for people."""
    kind, _, rest = neighbour.entry.name.partition("/")
    if not neighbour.resource:
        return f"{kind} {rest}"
    return f"{kind} {rest} (not ours{f', by {neighbour.owner}' if neighbour.owner else ''})"


def named(names: Iterable[str]) -> str:
    """The first few names."""
    first = list(islice(dict.fromkeys(names), SHOWN + 1))
    return ", ".join(first[:SHOWN]) + (", ..." if len(first) > SHOWN else "")
