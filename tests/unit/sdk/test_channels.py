"""Clients with several connections."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from egress import AsyncEgressClient, EgressClient
from tests.unit.sdk.fake_server import FakeServer


def test_calls_take_turns(server: FakeServer) -> None:
    """Each channel has its own connection."""
    with EgressClient(server.target, channels=3) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.get_cluster, "abcdef"))
    assert len(server.requests) == 6
    assert len(server.peers) == 3


async def test_calls_take_turns_async(server: FakeServer) -> None:
    """The async client too can have several."""
    async with AsyncEgressClient(server.target, channels=3) as client:
        await asyncio.gather(*(client.get_cluster(name) for name in "abcdef"))
    assert len(server.peers) == 3


def test_no_channel_at_all() -> None:
    """A client needs at least one channel."""
    with pytest.raises(ValueError, match="at least 1"):
        EgressClient(channels=0)
    with pytest.raises(ValueError, match="at least 1"):
        AsyncEgressClient(channels=0)
