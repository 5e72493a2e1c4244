"""What type checkers see. mypy judges this file; running it shows that the types are true."""

from typing import assert_type

import pytest

from egress import AsyncEgressClient, AsyncPager, Cluster, EgressClient, Pager, ProbeResponse
from egress.v1.egress_service_pb2 import SetOutboundPolicyResponse
from egress.v1.fleet_service_pb2 import ListClustersResponse
from tests.unit.sdk.double import FakeServer


def test_blocking(server: FakeServer) -> None:
    """The client that blocks gives replies and pagers."""
    with EgressClient(server.target) as client:
        reply = assert_type(client.set_outbound_policy("ALLOW_ANY"), SetOutboundPolicyResponse)
        assert isinstance(reply, SetOutboundPolicyResponse)
        pager = assert_type(client.list_clusters(), Pager[Cluster, ListClustersResponse])
        assert isinstance(pager, Pager)


async def test_awaited(server: FakeServer) -> None:
    """The client that is awaited gives the same, awaited."""
    async with AsyncEgressClient(server.target) as client:
        reply = assert_type(await client.probe("http://x", cluster="a"), ProbeResponse)
        assert isinstance(reply, ProbeResponse)
        pager = assert_type(client.list_clusters(), AsyncPager[Cluster, ListClustersResponse])
        assert isinstance(pager, AsyncPager)


def test_a_wrong_argument_is_seen(server: FakeServer) -> None:
    """A name that does not exist is an error for mypy, and one when it runs."""
    with EgressClient(server.target) as client, pytest.raises(TypeError, match="nonsense"):
        client.get_cluster("a", nonsense=1)  # type: ignore[call-arg]
