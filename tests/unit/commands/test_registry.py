"""Explain and ListRegistry as commands: on the named cluster, page by page."""

import pytest

from egress_server.commands.explain import Explain, ListRegistry, RegistryPage, explain_destination, list_registry
from egress_server.domain.model.errors import InvalidArgument, NotFound
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.paging import parse_listing
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Request
from tests.support.meshes import cluster, entry, policy, ports, selector
from tests.unit.commands.fakes import CALLER, World

EAST = Name("default", ResourceKind.CLUSTER, "east")
WEST = Name("default", ResourceKind.CLUSTER, "west")
MESH = World.of(
    cluster(),
    entry("b"),
    entry("a", ports=ports("443:TLS", "80:HTTP", "1000:TCP")),
    entry("hidden", namespace="prod", export_to=(".",), ports=ports("80:HTTP")),
    entry("elsewhere", cluster_selector=selector("west")),
    policy("REGISTRY_ONLY"),
)


async def listed(
    *, namespace: str = "default", size: int = 0, token: str = "", only: str = "", order: str = ""
) -> RegistryPage:
    """One page."""
    listing = parse_listing(
        page_size=size,
        page_token=token,
        filter_text=only,
        order_by=order,
        fields=("host", "port", "owner", "visible"),
        key_field="host",
        parent=f"east/{namespace}",
    )
    return await list_registry(MESH.services, CALLER, ListRegistry(EAST, namespace, listing))


def names(page: RegistryPage) -> list[str]:
    """HOST:PORT of the items."""
    return [f"{item.host.partition('.')[0]}:{item.port.number}" for item in page.items]


EVERYTHING = ["a:80", "a:443", "a:1000", "b:80", "b:443", "hidden:80"]


async def test_order() -> None:
    """Items are sorted by host and port, ascending or descending; entries of other clusters are not included."""
    assert names(await listed()) == EVERYTHING
    assert names(await listed(order="host desc")) == EVERYTHING[::-1]
    assert (await listed()).revision == 7


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
async def test_pages(size: int) -> None:
    """The pages together are the whole list."""
    found: list[str] = []
    page = await listed(size=size)
    found += names(page)
    while page.next_page_token:
        page = await listed(size=size, token=page.next_page_token)
        assert 0 < len(page.items) <= size
        found += names(page)
    assert found == EVERYTHING


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ('host = "a.example.com"', EVERYTHING[:3]),
        ("port = 80", ["a:80", "b:80", "hidden:80"]),
        ("visible = false", ["hidden:80"]),
        ("visible = true AND port != 80", ["a:443", "a:1000", "b:443"]),
        (f'owner = "{entry("b").name}"', ["b:80", "b:443"]),
    ],
)
async def test_filter(only: str, found: list[str]) -> None:
    """Items are filtered by their fields."""
    assert names(await listed(only=only)) == found


async def test_view() -> None:
    """Another namespace has another view, and a token is only valid for its own view."""
    assert all(item.visible for item in (await listed(namespace="prod")).items)
    token = (await listed(size=1)).next_page_token
    with pytest.raises(InvalidArgument):
        await listed(namespace="prod", size=1, token=token)


async def test_explain() -> None:
    """A connection is explained as of the snapshot, for the cluster that was named."""
    asked = Request(Destination("http", "elsewhere.example.com", 80), "default")
    explanation = (await explain_destination(MESH.services, CALLER, Explain(EAST, asked))).explanation
    assert explanation.expected.outcome is Outcome.BLOCKED
    assert explanation.revision == 7


async def test_unknown_cluster() -> None:
    """A cluster that is not registered has no registry, and nothing is explained there."""
    listing = parse_listing(page_size=0, page_token="", filter_text="", order_by="", fields=(), key_field="host")
    with pytest.raises(NotFound):
        await list_registry(MESH.services, CALLER, ListRegistry(WEST, "default", listing))
    with pytest.raises(NotFound):
        await explain_destination(
            MESH.services, CALLER, Explain(WEST, Request(Destination("http", "x", 80), "default"))
        )
