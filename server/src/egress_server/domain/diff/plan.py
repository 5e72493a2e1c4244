"""Plans: the difference between two sets of objects, of what a mutation would change or an applier has to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from egress_server.domain.desired.effective import effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of
from egress_server.domain.render import render


class Action(Enum):
    """What to do with an object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object before and after; None if it does not exist."""

    key: ObjectKey
    before: IstioObject | None
    after: IstioObject | None

    @property
    def action(self) -> Action:
        """What to do with it."""
        if self.before is None:
            return Action.CREATE
        return Action.DELETE if self.after is None else Action.UPDATE


@dataclass(frozen=True, slots=True)
class Group:
    """The ids of clusters that share one plan."""

    clusters: tuple[str, ...]
    changes: tuple[ObjectChange, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, computed at `revision`. Clusters on which nothing changes are in no group."""

    revision: int
    groups: tuple[Group, ...]


def diff(before: Mapping[ObjectKey, IstioObject], after: Iterable[IstioObject]) -> tuple[ObjectChange, ...]:
    """The changes from `before` to `after`, in the order of keys."""
    desired = {key_of(obj): obj for obj in after}
    changes = (ObjectChange(key, before.get(key), desired.get(key)) for key in sorted(before.keys() | desired.keys()))
    return tuple(change for change in changes if change.before != change.after)


def make_plan(before: Snapshot, after: Snapshot, clusters: Iterable[Cluster], now: datetime) -> Plan:
    """What changing `before` to `after` would do to `clusters` at `now`; clusters with equal changes form a group."""
    groups: list[tuple[tuple[ObjectChange, ...], list[str]]] = []
    for cluster in clusters:
        old = {key_of(obj): obj for obj in _objects(before, cluster.id, now)}
        changes = diff(old, _objects(after, cluster.id, now))
        if not changes:
            continue
        same = next((ids for known, ids in groups if known == changes), None)
        if same is None:
            groups.append((changes, [cluster.id]))
        else:
            same.append(cluster.id)
    return Plan(before.revision, tuple(Group(tuple(ids), changes) for changes, ids in groups))


def _objects(snapshot: Snapshot, cluster_id: str, now: datetime) -> tuple[IstioObject, ...]:
    """The desired objects of a cluster, given its labels in `snapshot`; none if it is not registered."""
    cluster = snapshot.cluster(cluster_id)
    return render(effective(snapshot, cluster, now)) if cluster else ()
