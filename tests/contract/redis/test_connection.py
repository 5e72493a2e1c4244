"""One connection shared by many callers: a caller that gives up does not disturb the rest."""

import asyncio
import random

import pytest

from egress_server.domain.model.errors import Unavailable
from egress_server.store.redis.address import Address
from egress_server.store.redis.connection import RedisConnection, StoreFault
from tests.contract.benches import Bench
from tests.support.mutations import entry, insist, mutation, setting


@pytest.mark.parametrize("seed", range(5))
async def test_cancellations_do_not_cross_replies(bench: Bench, seed: int) -> None:
    """Of many concurrent calls, some of them cancelled at any moment, each of the others gets its own reply."""
    dice = random.Random(seed)
    connection = await bench.connect()

    async def ask(number: int) -> None:
        for turn in range(10):
            text = f"{number}-{turn}".encode()
            assert await connection.call("ECHO", text) == text

    tasks = [asyncio.create_task(ask(number)) for number in range(200)]
    for _ in range(20):
        await asyncio.sleep(dice.choice((0, 0, 0.0005)))
        dice.choice(tasks).cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(o) for o in outcomes} <= {type(None), asyncio.CancelledError}
    assert await connection.call("ECHO", "still in step") == b"still in step"


async def test_a_cancelled_commit_is_found_by_its_request(bench: Bench) -> None:
    """A caller that gave up and retries gets one change, whether or not the first call had run."""
    dice = random.Random(1)
    for number in range(50):
        commit = mutation(bench.snapshot, entry(bench.snapshot, f"e{number}"))
        task = asyncio.create_task(bench.store.commit(commit))
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        outcome = await bench.store.commit(commit)
        assert outcome.change.revision == number + 1
        bench.replica.committed(outcome)


async def test_flushed_scripts_come_back(bench: Bench) -> None:
    """A commit works after Redis' scripts were flushed."""
    await bench.connection.call("SCRIPT", "FLUSH")
    outcome = await bench.store.commit(mutation(bench.snapshot, entry(bench.snapshot, "bank")))
    assert outcome.change.revision == 1


async def test_killed_connections_are_replaced(bench: Bench) -> None:
    """Commits succeed, each once, while their connections are cut again and again."""
    killer = await bench.connect()
    revisions: list[int] = []

    async def cut() -> None:
        for _ in range(8):
            before = bench.snapshot.revision
            assert await bench.replica.wait_revision(before + 5, 15)
            await killer.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    cutter = asyncio.create_task(cut())

    async def write(number: int) -> None:
        while not cutter.done():
            outcome = await insist(bench.store, bench.replica, setting(f"e{number}"))
            revisions.append(outcome.change.revision)

    await asyncio.gather(cutter, *(write(number) for number in range(10)))
    assert sorted(revisions) == list(range(1, len(revisions) + 1))
    head = await bench.connection.call("HGET", bench.keys.meta, "revision")
    assert int(head) == len(revisions)


async def test_an_error_of_redis_is_an_internal_error(bench: Bench) -> None:
    """An error reply that a bug of the server causes is not retried, and leaves the connection usable."""
    with pytest.raises(StoreFault):
        await bench.connection.call("NOSUCHCOMMAND")
    assert await bench.connection.call("PING") == b"PONG"


async def test_reads_at_once_see_one_moment(bench: Bench) -> None:
    """Several reads in one call are consistent, whatever other clients write meanwhile."""
    other = await bench.connect()
    keys = [f"egress:{{{bench.mesh}}}:t{n}" for n in range(3)]

    async def write() -> None:
        for number in range(200):
            await other.call("MSET", *(part for key in keys for part in (key, number)))

    writer = asyncio.create_task(write())
    while not writer.done():
        assert len(set(await bench.connection.read_together(*(("GET", key) for key in keys)))) == 1
    await writer


async def test_nobody_there_is_said_at_once() -> None:
    """Starting without a server raises Unavailable with the address in it."""
    with pytest.raises(Unavailable, match=r"/nowhere\.sock"):
        await RedisConnection(Address(path="/nowhere.sock")).start()


async def test_a_closed_connection_says_so(bench: Bench) -> None:
    """A call after the close raises Unavailable rather than wait."""
    connection = await bench.connect()
    await connection.close()
    with pytest.raises(Unavailable):
        await connection.call("PING")
