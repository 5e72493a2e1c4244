"""What the scripts leave in Redis: one round trip per commit, nothing after a refusal, and an expiry if data must
expire."""

import time
from dataclasses import replace

import pytest

from egress_server.domain.model.resources import Protocol
from egress_server.ports.store import Committed, Stale
from egress_server.store.keys import Retention
from egress_server.store.redis_store import RedisStore
from egress_server.store.upkeep import Upkeep
from tests.contract.benches import Bench
from tests.support.mutations import entry, insist, mutation, setting


async def test_a_commit_costs_one_round_trip(bench: Bench) -> None:
    """Redis sees exactly one script call for a commit without a conflict."""
    before = await _calls(bench)
    outcome: Committed = await bench.store.commit(
        mutation(bench.snapshot, entry(bench.snapshot, "bank", protocol=Protocol.HTTPS))
    )
    assert outcome.change.revision == 1
    assert await _calls(bench) - before == 1


async def test_request_ids_are_forgotten(bench: Bench) -> None:
    """A request ID is kept for the configured time, and then free."""
    store = RedisStore(bench.connection, Retention(request_seconds=7))
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    await store.commit(commit)
    assert 0 < await bench.connection.call("TTL", bench.keys.request(commit.request)) <= 7


async def test_the_deadline_is_before_the_stores(bench: Bench) -> None:
    """The holder's deadline is never later than the moment at which the store grants the lease to another owner."""
    lease = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    left_ms = await bench.connection.call("PTTL", bench.keys.lease("c1"))
    assert lease is not None
    assert lease.deadline - time.monotonic() <= (left_ms + 1) / 1000


async def test_a_refused_commit_leaves_nothing_behind(bench: Bench) -> None:
    """A stale commit writes no key at all: no revision, no request ID."""
    await insist(bench.store, bench.replica, setting("bank"))
    before = await _everything(bench)
    late = replace(mutation(bench.snapshot, entry(bench.snapshot, "bank", "x.com")), revision=0)
    with pytest.raises(Stale):
        await bench.store.commit(late)
    assert await _everything(bench) == before
    assert await bench.store.find_replay(bench.mesh, late.request) is None


async def test_forgotten_buckets_count_as_changed(bench: Bench) -> None:
    """Buckets that have not changed for long are dropped; a snapshot older than that finds them stale, a newer one does
    not."""
    for number in range(6):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
    await Upkeep(bench.connection, bench.mesh, Retention(buckets=5, bucket_revisions=2)).forget()
    assert await bench.connection.call("HLEN", bench.keys.last) == 4
    about_first = mutation(bench.snapshot, entry(bench.snapshot, "e0"))
    with pytest.raises(Stale):
        await bench.store.commit(replace(about_first, revision=3))
    assert (await bench.store.commit(replace(about_first, revision=4))).change.revision == 7


async def _calls(bench: Bench) -> int:
    info: bytes = await bench.connection.call("INFO", "commandstats")
    found = [line for line in info.splitlines() if line.startswith(b"cmdstat_evalsha:")]
    return int(found[0].split(b"calls=")[1].split(b",")[0]) if found else 0


async def _everything(bench: Bench) -> dict[bytes, bytes]:
    names = sorted(await bench.connection.call("KEYS", f"egress:{{{bench.mesh}}}:*"))
    return {name: await bench.connection.call("DUMP", name) for name in names}
