"""The types that type checkers see. mypy checks this file; running it shows that the types are correct."""

from typing import assert_type

import pytest

from egress import (
    AsyncEgressClient,
    AsyncMutationResult,
    AsyncPager,
    AsyncWatch,
    Change,
    Cluster,
    EgressClient,
    Fault,
    MutationResult,
    OutboundPolicy,
    Pager,
    ProbeResponse,
    Watch,
    WatchChangesResponse,
)
from egress.v1.change_service_pb2 import WaitChangeResponse
from egress.v1.egress_service_pb2 import InjectFaultResponse, SetOutboundPolicyResponse
from egress.v1.fleet_service_pb2 import ListClustersResponse
from tests.unit.sdk.fake_server import FakeServer


def test_blocking(server: FakeServer) -> None:
    """The blocking client returns replies and pagers."""
    with EgressClient(server.target) as client:
        changed = assert_type(client.set_outbound_policy("ALLOW_ANY"), MutationResult[SetOutboundPolicyResponse])
        assert isinstance(changed, MutationResult)
        assert isinstance(assert_type(changed.reply, SetOutboundPolicyResponse), SetOutboundPolicyResponse)
        assert isinstance(assert_type(changed.outbound_policy, OutboundPolicy), OutboundPolicy)
        pager = assert_type(client.list_clusters(), Pager[Cluster, ListClustersResponse])
        assert isinstance(pager, Pager)


def test_what_lasts(server: FakeServer) -> None:
    """A watch and a held fault have different types on each client."""
    server.answer("InjectFault", InjectFaultResponse(change=Change(revision=1)))
    with EgressClient(server.target) as client:
        server.stream("WatchChanges", [WatchChangesResponse(cursor="1", change=Change(revision=1))])
        with assert_type(client.watch_changes(), Watch) as watch:
            assert isinstance(assert_type(next(watch), WatchChangesResponse), WatchChangesResponse)
        with client.fault("h", delay=1, until=None) as fault:
            assert isinstance(assert_type(fault, Fault), Fault)


async def test_awaited(server: FakeServer) -> None:
    """The async client returns the same, awaited."""
    async with AsyncEgressClient(server.target) as client:
        server.answer("SetOutboundPolicy", SetOutboundPolicyResponse(change=Change(revision=1)))
        changed = assert_type(
            await client.set_outbound_policy("ALLOW_ANY"), AsyncMutationResult[SetOutboundPolicyResponse]
        )
        assert isinstance(assert_type(await changed.wait(), WaitChangeResponse), WaitChangeResponse)
        assert isinstance(assert_type(client.watch_changes(), AsyncWatch), AsyncWatch)
        reply = assert_type(await client.probe("http://x", cluster="a"), ProbeResponse)
        assert isinstance(reply, ProbeResponse)
        pager = assert_type(client.list_clusters(), AsyncPager[Cluster, ListClustersResponse])
        assert isinstance(pager, AsyncPager)


def test_a_field_of_another_reply_is_seen(server: FakeServer) -> None:
    """A field that the reply does not have is an error for mypy, and at run time."""
    with EgressClient(server.target) as client, pytest.raises(AttributeError, match="mesh"):
        _ = client.set_outbound_policy("ALLOW_ANY").mesh  # type: ignore[misc]


def test_a_wrong_argument_is_seen(server: FakeServer) -> None:
    """An unknown argument is an error for mypy, and at run time."""
    with EgressClient(server.target) as client, pytest.raises(TypeError, match="nonsense"):
        client.get_cluster("a", nonsense=1)  # type: ignore[call-arg]
