"""What appliers have observed on clusters: drift of managed objects, policy gaps, workloads with older rules."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from egress_server.commands.clusters.clusters import cluster_ids
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.paging import ListQuery, page_of
from egress_server.domain.model.status import Drift
from egress_server.domain.observed.inventory import PolicyGap, StaleWorkload
from egress_server.ports.store import Replica

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListObservations:
    """What was observed on one cluster by its ID, or on all clusters if it is empty."""

    mesh: str
    cluster: str
    listing: ListQuery


@dataclass(frozen=True, slots=True)
class ClusterObservation:
    """When a cluster was observed (None: never), and how many items are left out of its part of a list."""

    cluster: str
    time: datetime | None
    omitted: int


@dataclass(frozen=True, slots=True)
class ObservationPage(Generic[T]):
    """One page of items, each with the ID of its cluster. Only the first page has `observed`."""

    mesh: str
    items: tuple[tuple[str, T], ...]
    next_page_token: str
    observed: tuple[ClusterObservation, ...] = ()


async def list_drift(services: Services, caller: Caller, query: ListObservations) -> ObservationPage[Drift]:
    """One page of drifted objects. Raises NotFound if the cluster is not registered."""
    replica = services.replica(query.mesh)
    statuses = replica.statuses
    ids = cluster_ids(replica.snapshot, query.mesh, query.cluster)
    found = ((id_, drift) for id_ in ids if id_ in statuses for drift in statuses[id_].drift)
    return _page(query, found, _drift_key, _drift_fields)


async def list_policy_gaps(services: Services, caller: Caller, query: ListObservations) -> ObservationPage[PolicyGap]:
    """One page of what a mesh-wide REGISTRY_ONLY does not cover. Raises NotFound if the cluster is not registered."""
    replica = services.replica(query.mesh)
    known, ids = replica.inventories, cluster_ids(replica.snapshot, query.mesh, query.cluster)
    found = ((id_, gap) for id_ in ids if id_ in known for gap in known[id_].policy_gaps)
    return _page(query, found, _policy_gap_key, _policy_gap_fields, _observed(replica, ids, "policy_gaps", query))


async def list_stale_workloads(
    services: Services, caller: Caller, query: ListObservations
) -> ObservationPage[StaleWorkload]:
    """One page of workloads under older interception rules. Raises NotFound if the cluster is not registered."""
    replica = services.replica(query.mesh)
    known, ids = replica.inventories, cluster_ids(replica.snapshot, query.mesh, query.cluster)
    found = ((id_, workload) for id_ in ids if id_ in known for workload in known[id_].stale_workloads)
    return _page(query, found, _workload_key, _workload_fields, _observed(replica, ids, "stale_workloads", query))


def _drift_key(drift: Drift) -> tuple[str, ...]:
    return drift.namespace, drift.object_kind, drift.name, drift.seen_time.isoformat()


def _drift_fields(drift: Drift) -> dict[str, object]:
    return {
        "type": drift.kind,
        "kind": drift.object_kind,
        "namespace": drift.namespace,
        "name": drift.name,
        "resource": drift.resource,
        "manager": drift.manager,
        "healed": "true" if drift.heal_time else "false",
    }


def _policy_gap_key(gap: PolicyGap) -> tuple[str, ...]:
    return gap.namespace, gap.object_kind, gap.name, gap.kind.value


def _policy_gap_fields(gap: PolicyGap) -> dict[str, object]:
    return {
        "type": gap.kind,
        "kind": gap.object_kind,
        "namespace": gap.namespace,
        "name": gap.name,
    }


def _workload_key(workload: StaleWorkload) -> tuple[str, ...]:
    return workload.namespace, workload.kind, workload.name


def _workload_fields(workload: StaleWorkload) -> dict[str, object]:
    return {"kind": workload.kind, "namespace": workload.namespace, "name": workload.name}


def _observed(
    replica: Replica, ids: Iterable[str], kind: str, query: ListObservations
) -> tuple[ClusterObservation, ...]:
    """For each cluster. `kind` is the inventory field with the listed items."""
    if query.listing.after:
        return ()
    known = {id_: replica.inventories.get(id_) for id_ in ids}
    return tuple(
        ClusterObservation(id_, seen.observe_time, seen.left_out.get(kind, 0))
        if seen
        else ClusterObservation(id_, None, 0)
        for id_, seen in known.items()
    )


def _page(
    query: ListObservations,
    found: Iterable[tuple[str, T]],
    key_of: Callable[[T], tuple[str, ...]],
    fields_of: Callable[[T], dict[str, object]],
    observed: tuple[ClusterObservation, ...] = (),
) -> ObservationPage[T]:
    by_key = {"/".join((id_, *key_of(item))): (id_, item) for id_, item in found}

    def fields(key: str) -> Mapping[str, object]:
        return {"cluster": by_key[key][0], **fields_of(by_key[key][1])}

    page = page_of(sorted(by_key), query.listing, fields)
    return ObservationPage(query.mesh, tuple(by_key[key] for key in page.keys), page.next_page_token, observed)
