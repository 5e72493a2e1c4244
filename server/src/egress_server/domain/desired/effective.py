"""What we want a cluster to hold: the one pure function that appliers, plans, probes and drift share."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.names import ResourceKind, is_resource
from egress_server.domain.model.resources import (
    Cluster,
    Fault,
    Interception,
    Labels,
    OutboundPolicy,
    Resource,
    Scoped,
    Selected,
    ServiceEntry,
)
from egress_server.domain.observed.foreign_config import NOTHING_KNOWN, ForeignConfig

S = TypeVar("S", OutboundPolicy, Interception)


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that has not ended, and when it does, by the store's clock."""

    fault: Fault
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Effective:
    """The policies that hold on one cluster at one revision.

    `outbound` and `interceptions` have at most one policy a scope, by the scope's key. `faults` stand in the order in
    which they are tried: the more a fault asks of a request the earlier, of equals the older. `revisions` is the last
    change of each resource here, those included that a stronger one displaces; `created` the birth of each, since of
    two the older wins. `beside` is what else decides on the cluster.
    """

    cluster: Cluster
    revision: int
    outbound: dict[str, OutboundPolicy]
    interceptions: dict[str, Interception]
    entries: tuple[ServiceEntry, ...]
    faults: tuple[ActiveFault, ...]
    revisions: dict[str, int]
    created: dict[str, datetime]
    beside: ForeignConfig = NOTHING_KNOWN

    @property
    def in_sight(self) -> tuple[ServiceEntry, ...]:
        """All that registers hosts on the cluster, ours and what is not."""
        return (*self.entries, *self.beside.entries)

    def birth(self, name: str) -> datetime:
        """When a resource or an entry that is not ours came to be."""
        return self.created[name] if is_resource(name) else self.beside.created[name]

    def interception_for(self, namespace: str, labels: Labels | None = None) -> Interception | None:
        """The interception for a workload: by its labels, else its namespace's, else the mesh's, else None. Of several
        that its labels fit the one that asks for most of them, then by scope: nothing in Istio decides it for us."""
        own = [p for p in self.interceptions.values() if p.scope.match_labels and p.scope.namespace == namespace]
        own.sort(key=lambda policy: (-len(policy.scope.match_labels), policy.scope.key()))
        selected = next((p for p in own if p.scope.match_labels.items() <= (labels or {}).items()), None)
        return selected or self.interceptions.get(f"{namespace}/") or self.interceptions.get("/")


def effective(snapshot: Snapshot, cluster: Cluster, now: datetime) -> Effective:
    """The policies of `snapshot` that hold on `cluster` at `now`, by the store's clock; only faults depend on it. None
    hold on a cluster that is draining."""
    if cluster.draining:
        return Effective(cluster, snapshot.revision, {}, {}, (), (), {}, {})
    selected = {kind: list(_selected(snapshot, kind, cluster)) for kind in _KINDS}
    entries = selected[ResourceKind.SERVICE_ENTRY]
    everything = [versioned for found in selected.values() for versioned in found]
    return Effective(
        cluster=cluster,
        revision=snapshot.revision,
        outbound=_strongest(selected[ResourceKind.OUTBOUND_POLICY], OutboundPolicy),
        interceptions=_strongest(selected[ResourceKind.INTERCEPTION], Interception),
        entries=tuple(v.resource for v in entries if isinstance(v.resource, ServiceEntry)),
        faults=_active(selected[ResourceKind.FAULT], now),
        revisions={versioned.resource.name: versioned.revision for versioned in everything},
        created={versioned.resource.name: versioned.create_time for versioned in everything},
    )


def without(wanted: Effective, obstacles: Collection[str]) -> Effective:
    """`wanted` less the resources that the cluster does not hold."""
    if not obstacles:
        return wanted
    return replace(
        wanted,
        entries=tuple(entry for entry in wanted.entries if entry.name not in obstacles),
        outbound={key: policy for key, policy in wanted.outbound.items() if policy.name not in obstacles},
        interceptions={key: each for key, each in wanted.interceptions.items() if each.name not in obstacles},
        faults=tuple(active for active in wanted.faults if active.fault.name not in obstacles),
        revisions={name: revision for name, revision in wanted.revisions.items() if name not in obstacles},
    )


_KINDS = (ResourceKind.SERVICE_ENTRY, ResourceKind.FAULT, ResourceKind.OUTBOUND_POLICY, ResourceKind.INTERCEPTION)


def expire_time(versioned: Versioned[Resource]) -> datetime | None:
    """When a fault as of its last change ends; None for every other resource."""
    if not isinstance(versioned.resource, Fault):
        return None
    return versioned.update_time + timedelta(seconds=versioned.resource.ttl)


def faults_ended_to(snapshot: Snapshot, cluster: Cluster, now: datetime) -> datetime | None:
    """The latest end of a fault of `cluster` that is over at `now`, as long as desired state still has it."""
    ends = (expire_time(versioned) for versioned in _selected(snapshot, ResourceKind.FAULT, cluster))
    return max((end for end in ends if end is not None and end <= now), default=None)


def _selected(snapshot: Snapshot, kind: ResourceKind, cluster: Cluster) -> Iterator[Versioned[Resource]]:
    by_name = snapshot.of_kind(kind)
    for name in snapshot.names(kind):
        resource = by_name[name].resource
        if isinstance(resource, Selected) and resource.cluster_selector.selects(cluster):
            yield by_name[name]


def _strongest(found: Iterable[Versioned[Resource]], type_: type[S]) -> dict[str, S]:
    """The strongest of each scope; of equals the older, so that a newcomer changes nothing, and where even that is
    equal every process decides alike."""
    ranked = sorted(found, key=_strength)
    return {v.resource.scope.key(): v.resource for v in ranked if isinstance(v.resource, type_)}


def _strength(versioned: Versioned[Resource]) -> tuple[int, float, str]:
    policy = versioned.resource
    rank = policy.cluster_selector.rank if isinstance(policy, Scoped) else 0
    return rank, -versioned.create_time.timestamp(), policy.name


def _active(found: Iterable[Versioned[Resource]], now: datetime) -> tuple[ActiveFault, ...]:
    ends = ((versioned, expire_time(versioned)) for versioned in found)
    alive = [(v, end) for v, end in ends if end is not None and end > now]
    alive.sort(key=lambda item: (-_demands(item[0]), item[0].create_time, item[0].resource.name))
    return tuple(ActiveFault(v.resource, end) for v, end in alive if isinstance(v.resource, Fault))


def _demands(versioned: Versioned[Resource]) -> int:
    """How much a fault asks of a request."""
    fault = versioned.resource
    if not isinstance(fault, Fault):
        return 0
    return len(fault.match_headers) + len(fault.source_labels) + bool(fault.source_namespace) + bool(fault.ports)
