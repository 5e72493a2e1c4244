"""A replica recovers from any loss in the streams, and never acts on a store that was lost."""

import asyncio
from typing import Any

import pytest

from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from egress_server.store.scripts import Script
from tests.contract.benches import Bench, content
from tests.support.mutations import insist, setting

SECONDS = 15.0


@pytest.fixture
async def other(bench: Bench) -> RedisReplica:
    """Another process's replica."""
    return await bench.another_replica()


class Forgetful(RedisConnection):
    """Commits through it leave no entry in the log, as if it had been lost immediately."""

    async def run(self, script: Script, keys: tuple[str, ...], *args: bytes | str | int) -> Any:
        """Runs commit.lua without the line that writes to the log."""
        lines = [line for line in script.text.splitlines() if b"'XADD', log" not in line]
        return await self.call("EVAL", b"\n".join(lines), len(keys), *keys, *args)


async def write_forgetfully(bench: Bench) -> None:
    """Commits three changes whose log entries are lost."""
    connection = await bench.connect(Forgetful)
    for number in range(3):
        make = setting(f"lost{number}")
        await insist(RedisStore(connection), bench.replica, make)


@pytest.mark.parametrize("more_follows", [True, False])
async def test_lost_entries_heal(bench: Bench, other: RedisReplica, more_follows: bool) -> None:
    """Entries lost from the log, at its end or before it, are noticed, and everything is read again."""
    await insist(bench.store, bench.replica, setting("first"))
    await write_forgetfully(bench)
    if more_follows:
        await insist(bench.store, bench.replica, setting("last"))
    assert await other.wait_revision(bench.snapshot.revision, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)


async def test_a_trimmed_log_heals(bench: Bench, other: RedisReplica) -> None:
    """A process loses nothing if the whole log is trimmed at any moment."""
    for number in range(20):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
        await bench.connection.call("XTRIM", bench.keys.log, "MAXLEN", 0)
    assert await other.wait_revision(20, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)


async def test_lost_records_of_appliers_heal(bench: Bench, other: RedisReplica) -> None:
    """A status whose stream entry is gone is found at the next read of the head."""
    await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 1)])
    await bench.connection.call("DEL", bench.keys.status_log)
    await bench.store.put_status(bench.mesh, [ClusterStatus("c2", Phase.SETTLED, 2)])
    async with asyncio.timeout(SECONDS):
        with other.watch() as news:
            while set(other.statuses) != {"c1", "c2"}:
                await anext(news)


async def test_another_epoch_is_loaded(bench: Bench, other: RedisReplica) -> None:
    """If the store is replaced by another one, processes take over its state, although its revisions are lower."""
    await insist(bench.store, bench.replica, setting("bank"))
    assert await other.wait_revision(1, SECONDS)
    names = await bench.connection.call("KEYS", f"egress:{{{bench.mesh}}}:*")
    with other.watch() as news:
        await bench.connection.read_together(
            ("DEL", *names), ("HSET", bench.keys.meta, "epoch", "another", "revision", "0")
        )
        async with asyncio.timeout(SECONDS):
            while other.snapshot.epoch != "another":
                await anext(news)
    assert not other.snapshot.of_kind(ResourceKind.SERVICE_ENTRY)


async def test_a_lost_store_leaves_the_last_state(bench: Bench, other: RedisReplica) -> None:
    """A store that came back empty does not empty the copies: no cluster must be emptied because of it."""
    await insist(bench.store, bench.replica, setting("bank"))
    assert await other.wait_revision(1, SECONDS)
    names = await bench.connection.call("KEYS", f"egress:{{{bench.mesh}}}:*")
    await bench.connection.call("DEL", *names)
    await other._check()
    assert len(other.snapshot.of_kind(ResourceKind.SERVICE_ENTRY)) == 1
