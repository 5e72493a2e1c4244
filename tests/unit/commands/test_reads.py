"""Getting and listing resources and clusters from the snapshot."""

import pytest

from egress_server.commands.clusters.clusters import get_cluster, list_clusters
from egress_server.commands.read import Get, ListOf, get, list_resources
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.model.paging import ListQuery, parse_listing
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.status import ClusterStatus, Phase
from tests.support.meshes import cluster, entry, policy
from tests.unit.commands.fakes import CALLER, EPOCH, World

EAST = expect_name("name", "meshes/default/clusters/east", ResourceKind.CLUSTER)


def listing(page_size: int = 0, page_token: str = "", filter_text: str = "", order_by: str = "") -> ListQuery:
    """A list request."""
    fields = ("name", "mode", "labels.")
    return parse_listing(
        page_size=page_size, page_token=page_token, filter_text=filter_text, order_by=order_by, fields=fields
    )


async def test_get_returns_the_resource_and_its_epoch() -> None:
    """An etag is derived from these."""
    found = await get(World.of(cluster("east")).services, CALLER, Get(EAST))
    assert found.epoch == EPOCH
    assert [v.resource for v in found.resources] == [cluster("east")]


async def test_what_is_not_there_is_not_found() -> None:
    """The error names it; a deleted one does not exist."""
    world = World.of(cluster("east"))
    world.delete(cluster("east"))
    with pytest.raises(NotFound) as caught:
        await get(world.services, CALLER, Get(EAST))
    assert (caught.value.reason, caught.value.metadata) == ("RESOURCE_NOT_FOUND", {"resource": str(EAST)})


@pytest.mark.parametrize("kind", [ResourceKind.CLUSTER, ResourceKind.SERVICE_ENTRY, ResourceKind.OUTBOUND_POLICY])
async def test_an_unknown_mesh_has_no_lists(kind: ResourceKind) -> None:
    """It is an error, not an empty list."""
    with pytest.raises(NotFound) as caught:
        await list_resources(World.of().services, CALLER, ListOf("other", kind, None, listing()))
    assert caught.value.reason == "MESH_NOT_FOUND"


NAMES = ["a", "a-b", "a.b", "b"]


async def test_a_namespace_is_listed_by_itself() -> None:
    """But not one that only starts with the same text."""
    entries = [entry(id_, namespace=ns) for ns in ("prod", "prod-2", "pro", "prod2", "q") for id_ in NAMES]
    world = World.of(*entries)
    for namespace in ("prod", "prod-2", "pro", "prod2", "q", "none"):
        query = ListOf("default", ResourceKind.SERVICE_ENTRY, namespace, listing())
        found = await list_resources(world.services, CALLER, query)
        wanted = sorted(e.name for e in entries if e.namespace == namespace)
        assert [v.resource.name for v in found.resources] == wanted


@pytest.mark.parametrize("order_by", ["name", "name desc"])
async def test_all_namespaces_are_listed_in_pages(order_by: str) -> None:
    """In the order of names, each once."""
    entries = [entry(id_, namespace=ns) for ns in ("x", "y") for id_ in NAMES]
    world = World.of(*entries)
    names: list[str] = []
    token = ""
    while True:
        query = ListOf("default", ResourceKind.SERVICE_ENTRY, None, listing(3, token, order_by=order_by))
        found = await list_resources(world.services, CALLER, query)
        names += [v.resource.name for v in found.resources]
        token = found.next_page_token
        if not token:
            break
    assert names == sorted((e.name for e in entries), reverse=order_by.endswith("desc"))


async def test_lists_are_filtered() -> None:
    """By the fields of the resources."""
    world = World.of(policy("ALLOW_ANY", "a"), policy("REGISTRY_ONLY", "b", scope=Scope("prod")))
    query = ListOf("default", ResourceKind.OUTBOUND_POLICY, None, listing(filter_text="mode = REGISTRY_ONLY"))
    found = await list_resources(world.services, CALLER, query)
    assert [v.resource.name for v in found.resources] == ["meshes/default/outboundPolicies/b"]


async def test_clusters_come_with_what_is_known_of_them() -> None:
    """Status as reported by appliers, and the number of attached agents."""
    world = World.of(cluster("east", env="prod"), cluster("west"))
    status = ClusterStatus("east", Phase.SETTLED, applied_revision=3)
    world.replica.report(status)
    world.agents.add("a1")
    world.agents.add("a2")
    found = await list_clusters(world.services, CALLER, ListOf("default", ResourceKind.CLUSTER, None, listing()))
    assert dict(found.statuses) == {"east": status}
    assert dict(found.agents) == {"east": 2, "west": 0}
    one = await get_cluster(world.services, CALLER, Get(EAST))
    assert dict(one.agents) == {"east": 2}
