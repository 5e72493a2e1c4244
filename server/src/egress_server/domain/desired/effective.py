"""The policy in effect on one cluster: the pure function shared by appliers, plans, probes and drift detection."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import ResourceKind, is_resource
from egress_server.domain.model.resources import (
    Fault,
    Interception,
    OutboundPolicy,
    Resource,
    Scoped,
    Selected,
    ServiceEntry,
)
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import NOT_OBSERVED, ForeignConfig

S = TypeVar("S", OutboundPolicy, Interception)


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that has not expired, and when it will, by the store's clock."""

    fault: Fault
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Effective:
    """The policy in effect on one cluster at one revision.

    `outbound` and `interceptions` hold at most one policy per scope, by the scope's key. `faults` are in the order in
    which they are tried: most conditions first, then oldest first. `revisions` is the last change of each resource
    that selects the cluster, including those that a higher-ranked one displaces; `create_times` breaks ties, as the
    older of two wins. `foreign` is the unmanaged configuration that takes effect on the cluster as well.
    """

    cluster: Cluster
    revision: int
    outbound: dict[str, OutboundPolicy]
    interceptions: dict[str, Interception]
    entries: tuple[ServiceEntry, ...]
    faults: tuple[ActiveFault, ...]
    revisions: dict[str, int]
    create_times: dict[str, datetime]
    foreign: ForeignConfig = NOT_OBSERVED

    @property
    def all_entries(self) -> tuple[ServiceEntry, ...]:
        """Everything that registers hosts on the cluster, managed and foreign."""
        return (*self.entries, *self.foreign.entries)

    def create_time(self, name: str) -> datetime:
        """When the object of a resource or a foreign entry was created on the cluster, as far as that was observed."""
        if not is_resource(name):
            return self.foreign.create_times[name]
        return self.foreign.managed_times.get(name) or self.create_times[name]

    def interception_for(self, namespace: str, labels: Labels | None = None) -> Interception | None:
        """The interception for a workload: by its labels, else its namespace's, else the mesh's, else None. If several
        match its labels, the one with most labels wins, then the order of scopes: Istio has no rule for this."""
        own = [p for p in self.interceptions.values() if p.scope.match_labels and p.scope.namespace == namespace]
        own.sort(key=lambda policy: (-len(policy.scope.match_labels), policy.scope.key()))
        selected = next((p for p in own if p.scope.match_labels.items() <= (labels or {}).items()), None)
        return selected or self.interceptions.get(f"{namespace}/") or self.interceptions.get("/")


def effective(snapshot: Snapshot, cluster: Cluster, now: datetime) -> Effective:
    """The policy of `snapshot` in effect on `cluster` at `now`, by the store's clock; only faults depend on the time.
    A draining cluster has none."""
    if cluster.draining:
        return Effective(cluster, snapshot.revision, {}, {}, (), (), {}, {})
    selected = {kind: list(_selected(snapshot, kind, cluster)) for kind in _KINDS}
    entries = selected[ResourceKind.SERVICE_ENTRY]
    everything = [versioned for found in selected.values() for versioned in found]
    return Effective(
        cluster=cluster,
        revision=snapshot.revision,
        outbound=_highest_ranked(selected[ResourceKind.OUTBOUND_POLICY], OutboundPolicy),
        interceptions=_highest_ranked(selected[ResourceKind.INTERCEPTION], Interception),
        entries=tuple(v.resource for v in entries if isinstance(v.resource, ServiceEntry)),
        faults=_active(selected[ResourceKind.FAULT], now),
        revisions={versioned.resource.name: versioned.revision for versioned in everything},
        create_times={versioned.resource.name: versioned.create_time for versioned in everything},
    )


def without(effective: Effective, names: Collection[str]) -> Effective:
    """`effective` without the resources of these names, such as those that the cluster does not hold."""
    if not names:
        return effective
    return replace(
        effective,
        entries=tuple(entry for entry in effective.entries if entry.name not in names),
        outbound={key: policy for key, policy in effective.outbound.items() if policy.name not in names},
        interceptions={key: each for key, each in effective.interceptions.items() if each.name not in names},
        faults=tuple(active for active in effective.faults if active.fault.name not in names),
        revisions={name: revision for name, revision in effective.revisions.items() if name not in names},
    )


_KINDS = (ResourceKind.SERVICE_ENTRY, ResourceKind.FAULT, ResourceKind.OUTBOUND_POLICY, ResourceKind.INTERCEPTION)


def expire_time(versioned: Versioned[Resource]) -> datetime | None:
    """When a fault expires, counted from its last change; None for every other resource."""
    if not isinstance(versioned.resource, Fault):
        return None
    return versioned.update_time + timedelta(seconds=versioned.resource.ttl)


def last_expiry(snapshot: Snapshot, cluster: Cluster, now: datetime) -> datetime | None:
    """The latest expire time of the faults on `cluster` that have expired by `now` and are still in the snapshot."""
    ends = (expire_time(versioned) for versioned in _selected(snapshot, ResourceKind.FAULT, cluster))
    return max((end for end in ends if end is not None and end <= now), default=None)


def _selected(snapshot: Snapshot, kind: ResourceKind, cluster: Cluster) -> Iterator[Versioned[Resource]]:
    by_name = snapshot.of_kind(kind)
    for name in snapshot.names(kind):
        resource = by_name[name].resource
        if isinstance(resource, Selected) and resource.cluster_selector.selects(cluster):
            yield by_name[name]


def _highest_ranked(found: Iterable[Versioned[Resource]], type_: type[S]) -> dict[str, S]:
    """The highest-ranked policy of each scope. Among equals the oldest wins, so that a new policy changes nothing, then
    the order of names, so that every process decides the same way."""
    ranked = sorted(found, key=_rank)
    return {v.resource.scope.key(): v.resource for v in ranked if isinstance(v.resource, type_)}


def _rank(versioned: Versioned[Resource]) -> tuple[int, float, str]:
    policy = versioned.resource
    rank = policy.cluster_selector.rank if isinstance(policy, Scoped) else 0
    return rank, -versioned.create_time.timestamp(), policy.name


def _active(found: Iterable[Versioned[Resource]], now: datetime) -> tuple[ActiveFault, ...]:
    ends = ((versioned, expire_time(versioned)) for versioned in found)
    active = [(v, end) for v, end in ends if end is not None and end > now]
    active.sort(key=lambda item: (-_conditions(item[0]), item[0].create_time, item[0].resource.name))
    return tuple(ActiveFault(v.resource, end) for v, end in active if isinstance(v.resource, Fault))


def _conditions(versioned: Versioned[Resource]) -> int:
    """The number of conditions that a fault puts on a request."""
    fault = versioned.resource
    if not isinstance(fault, Fault):
        return 0
    texts = (fault.match_uri, fault.match_method, fault.match_authority, fault.source_namespace, fault.ports)
    return len(fault.match_headers) + len(fault.source_labels) + sum(map(bool, texts))
