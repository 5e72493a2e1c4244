"""A process's copy of the mesh: complete, never going backwards, and healing whatever the streams lose."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from egress_server.store.scripts import Script
from tests.contract.conftest import Bench
from tests.support.mutations import deleting, entry, insist, mutation, setting

SECONDS = 15.0


@pytest.fixture
async def other(bench: Bench) -> AsyncIterator[RedisReplica]:
    """Another process' copy: it makes no commits."""
    replica = RedisReplica(await bench.connect(), bench.mesh)
    await replica.start()
    yield replica
    await replica.close()


def content(snapshot: Snapshot) -> dict[str, object]:
    """All that a snapshot holds, and where it is."""
    return {
        "at": (snapshot.epoch, snapshot.revision),
        **{name: v for kind in ResourceKind for name, v in snapshot.of_kind(kind).items()},
    }


async def test_another_process_follows(bench: Bench, other: RedisReplica) -> None:
    """Sets and deletes of one process arrive in another, with hosts indexed."""
    for number in range(10):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
    await insist(bench.store, bench.replica, deleting("e3"))
    assert await other.wait_revision(11, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)
    assert not other.snapshot.entries_with_host("e3.example.com")


async def test_a_late_start_loads_everything(bench: Bench) -> None:
    """A process that starts later holds the same state as one that was there all along."""
    for number in range(10):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
    await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 4)])
    late = RedisReplica(await bench.connect(), bench.mesh)
    await late.start()
    assert content(late.snapshot) == content(bench.snapshot)
    assert late.statuses["c1"].applied_revision == 4
    await late.close()


async def test_it_never_goes_backwards(bench: Bench, other: RedisReplica) -> None:
    """Under concurrent commits of few resources neither the revision nor any resource's version ever falls."""
    seen: dict[str, int] = {}
    done = asyncio.Event()

    def look(replica: RedisReplica, label: str) -> None:
        now = {f"{label}:": replica.snapshot.revision}
        for name, versioned in replica.snapshot.of_kind(ResourceKind.SERVICE_ENTRY).items():
            now[label + name] = versioned.revision
        for key, revision in now.items():
            assert revision >= seen.get(key, 0), key
            seen[key] = revision

    async def observe() -> None:
        while not done.is_set():
            look(other, "other")
            look(bench.replica, "own")
            await asyncio.sleep(0)

    async def write(number: int) -> None:
        for _ in range(20):
            await insist(bench.store, bench.replica, setting(f"e{number % 3}"))

    observer = asyncio.create_task(observe())
    await asyncio.gather(*(write(number) for number in range(6)))
    assert await other.wait_revision(120, SECONDS)
    done.set()
    await observer
    assert content(other.snapshot) == content(bench.snapshot)


async def test_created_and_deleted_between_two_looks(bench: Bench, other: RedisReplica) -> None:
    """A resource that came and went before a process saw it leaves no trace there and does not stop it."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    outcomes = await asyncio.gather(
        bench.store.commit(commit),
        insist(bench.store, bench.replica, deleting("bank")),
        return_exceptions=True,
    )
    assert not [o for o in outcomes if isinstance(o, BaseException)]
    assert await other.wait_revision(2, SECONDS)
    assert await bench.replica.wait_revision(2, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot) == {"at": (bench.snapshot.epoch, 2)}


class Forgetful(RedisConnection):
    """Commits through it leave no entry in the log, as if it had been lost in the same instant."""

    async def run(self, script: Script, keys: tuple[str, ...], *args: bytes | str | int) -> Any:
        """Runs commit.lua without its line that writes to the log."""
        lines = [line for line in script.text.splitlines() if b"'XADD', log" not in line]
        return await self.call("EVAL", b"\n".join(lines), len(keys), *keys, *args)


async def write_forgetfully(bench: Bench) -> None:
    """Commits three changes whose log entries are lost."""
    connection = Forgetful(bench.address)
    bench.opened.append(connection)
    await connection.start()
    for number in range(3):
        make = setting(f"lost{number}")
        await insist(RedisStore(connection), bench.replica, make)


@pytest.mark.parametrize("more_follows", [True, False])
async def test_lost_entries_heal(bench: Bench, other: RedisReplica, more_follows: bool) -> None:
    """Entries lost from the log, at its end or before it, are noticed and everything is read anew."""
    await insist(bench.store, bench.replica, setting("first"))
    await write_forgetfully(bench)
    if more_follows:
        await insist(bench.store, bench.replica, setting("last"))
    assert await other.wait_revision(bench.snapshot.revision, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)


async def test_a_trimmed_log_heals(bench: Bench, other: RedisReplica) -> None:
    """A process loses nothing when the whole log is trimmed away at any moment."""
    for number in range(20):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
        await bench.connection.call("XTRIM", bench.keys.log, "MAXLEN", 0)
    assert await other.wait_revision(20, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)


async def test_lost_records_of_appliers_heal(bench: Bench, other: RedisReplica) -> None:
    """A status whose stream entry is gone is found at the next look at the head."""
    await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 1)])
    await bench.connection.call("DEL", bench.keys.status_log)
    await bench.store.put_status(bench.mesh, [ClusterStatus("c2", Phase.SETTLED, 2)])
    async with asyncio.timeout(SECONDS):
        with other.watch() as news:
            while set(other.statuses) != {"c1", "c2"}:
                await anext(news)


async def test_another_epoch_is_loaded(bench: Bench, other: RedisReplica) -> None:
    """When the store is replaced by another, processes take the new one's state, though its revisions are lower."""
    await insist(bench.store, bench.replica, setting("bank"))
    assert await other.wait_revision(1, SECONDS)
    names = await bench.connection.call("KEYS", f"egress:{{{bench.mesh}}}:*")
    with other.watch() as news:
        await bench.connection.read_at_once(
            ("DEL", *names), ("HSET", bench.keys.meta, "epoch", "another", "revision", "0")
        )
        async with asyncio.timeout(SECONDS):
            while other.snapshot.epoch != "another":
                await anext(news)
    assert not other.snapshot.of_kind(ResourceKind.SERVICE_ENTRY)


async def test_a_lost_store_leaves_the_last_state(bench: Bench, other: RedisReplica) -> None:
    """A store that came back empty does not empty the copies: nobody is to act on nothing."""
    await insist(bench.store, bench.replica, setting("bank"))
    assert await other.wait_revision(1, SECONDS)
    names = await bench.connection.call("KEYS", f"egress:{{{bench.mesh}}}:*")
    await bench.connection.call("DEL", *names)
    await other._check()
    assert len(other.snapshot.of_kind(ResourceKind.SERVICE_ENTRY)) == 1


async def test_waiting_for_a_revision_ends_at_the_timeout(bench: Bench) -> None:
    """A revision that does not come in time is answered False, one that is there True at once."""
    assert await bench.replica.wait_revision(0, 0)
    assert not await bench.replica.wait_revision(1, 0.01)


async def test_no_wakeup_is_lost(bench: Bench, other: RedisReplica) -> None:
    """A watcher that looks after every wake-up always ends up seeing the last change, however slow it is."""
    last = 60

    async def follow(pause: float) -> int:
        with other.watch() as news:
            while other.snapshot.revision < last:
                await anext(news)
                await asyncio.sleep(pause)
        return other.snapshot.revision

    watchers = [asyncio.create_task(follow(pause)) for pause in (0, 0, 0.001, 0.01, 0.05)]
    await asyncio.sleep(0)
    for _ in range(last):
        await insist(bench.store, bench.replica, setting("bank"))
    assert await asyncio.wait_for(asyncio.gather(*watchers), SECONDS) == [last] * len(watchers)
