"""Lists of what appliers have observed on clusters."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from egress_server.commands.clusters.observations import (
    ClusterObservation,
    ListObservations,
    list_drift,
    list_policy_gaps,
    list_stale_workloads,
)
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.paging import parse_listing
from egress_server.domain.model.status import ClusterStatus, Drift, DriftKind, Phase
from egress_server.domain.observed.inventory import Inventory, PolicyGap, PolicyGapKind, StaleWorkload
from tests.support.meshes import cluster
from tests.unit.commands.fakes import CALLER, World

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIELDS = ("cluster", "type", "kind", "namespace", "name", "resource", "manager", "healed")


def drifted(name: str, **fields: object) -> Drift:
    """A ServiceEntry that kubectl changed."""
    drift = Drift(DriftKind.CHANGED, "ServiceEntry", "prod", name, f"resource-{name}", "kubectl", NOW)
    return replace(drift, **fields)  # type: ignore[arg-type]


def gap(name: str, kind: PolicyGapKind = PolicyGapKind.SIDECAR_WITHOUT_MODE) -> PolicyGap:
    """A Sidecar without a mode."""
    return PolicyGap(kind, "Sidecar", "prod", name, "it has no mode")


@pytest.fixture
def world() -> World:
    """East and west have been observed, north has not."""
    made = World.of(cluster("east"), cluster("north"), cluster("west"))
    healed = drifted("b", seen_time=NOW.replace(hour=1), heal_time=NOW.replace(hour=2))
    made.replica.report(ClusterStatus("east", Phase.SETTLED, drift=(drifted("b"), healed, drifted("a"))))
    made.replica.report(ClusterStatus("west", Phase.SETTLED, drift=(drifted("c", kind=DriftKind.MISSING),)))
    web = StaleWorkload("Deployment", "prod", "web", 1, 2, "older")
    west = Inventory("west", NOW, policy_gaps=(gap("w"),), stale_workloads=(web,), left_out={"policy_gaps": 3})
    east = Inventory("east", NOW, policy_gaps=(gap("f"), gap("e")), stale_workloads=(web, replace(web, name="api")))
    for inventory in (west, east):
        made.store.write_inventory("default", inventory)
    made.replica.catch_up()
    return made


def asking(cluster: str = "", text: str = "", size: int = 0, token: str = "", order: str = "") -> ListObservations:
    """A list of one cluster, or of all."""
    listing = parse_listing(
        page_size=size, page_token=token, filter_text=text, order_by=order, fields=FIELDS, key_field="cluster"
    )
    return ListObservations("default", cluster, listing)


async def names(world: World, query: ListObservations) -> list[str]:
    """Cluster and name of each drifted object on a page."""
    page = await list_drift(world.services, CALLER, query)
    return [f"{id_}/{drift.name}" for id_, drift in page.items]


async def test_drift_of_all_clusters(world: World) -> None:
    """In the order of clusters, namespaces, kinds and names; an object that drifted twice is listed twice."""
    assert await names(world, asking()) == ["east/a", "east/b", "east/b", "west/c"]
    assert await names(world, asking(order="cluster desc")) == ["west/c", "east/b", "east/b", "east/a"]
    assert await names(world, asking("west")) == ["west/c"]
    assert await names(world, asking("north")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("healed = true", ["east/b"]),
        ("healed = false AND cluster = east", ["east/a", "east/b"]),
        ("type = MISSING", ["west/c"]),
        ("kind = Sidecar", []),
        ("namespace = prod AND name = c", ["west/c"]),
        ("resource = resource-a", ["east/a"]),
        ("manager != kubectl", []),
    ],
)
async def test_drift_is_filtered(world: World, text: str, found: list[str]) -> None:
    """By any field."""
    assert await names(world, asking(text=text)) == found


async def test_pages(world: World) -> None:
    """Together they have all; the first one reports how complete the list is."""
    first = await list_policy_gaps(world.services, CALLER, asking(size=2))
    second = await list_policy_gaps(world.services, CALLER, asking(size=2, token=first.next_page_token))
    assert [(id_, e.name) for id_, e in (*first.items, *second.items)] == [("east", "e"), ("east", "f"), ("west", "w")]
    assert second.next_page_token == ""
    assert first.observed == (
        ClusterObservation("east", NOW, 0),
        ClusterObservation("north", None, 0),
        ClusterObservation("west", NOW, 3),
    )
    assert second.observed == ()


async def test_stale_workloads(world: World) -> None:
    """As of the last observation of each cluster."""
    page = await list_stale_workloads(world.services, CALLER, asking("east", text="kind = Deployment"))
    assert [(id_, workload.name) for id_, workload in page.items] == [("east", "api"), ("east", "web")]
    assert page.observed == (ClusterObservation("east", NOW, 0),)


@pytest.mark.parametrize("list_", [list_drift, list_policy_gaps, list_stale_workloads])
async def test_an_unregistered_cluster(world: World, list_: object) -> None:
    """Not found, rather than empty."""
    with pytest.raises(NotFound):
        await list_(world.services, CALLER, asking("south"))  # type: ignore[operator]
