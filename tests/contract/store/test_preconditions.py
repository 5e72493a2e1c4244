"""A commit depends on what its command read: if something that it decided on has changed since, it is refused."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.domain.model.resources import Protocol
from egress_server.ports.store import Commit, Stale
from tests.contract.benches import StoreBench
from tests.support.mutations import entry, insist, mutation, setting

BUCKETS = (
    "key/meshes/m/x",
    "host/a.example.com",
    "suffix/example.com",
    "tcp/443",
    "scope/outboundPolicies//",
    "clusters",
)


@pytest.mark.parametrize("bucket", BUCKETS)
async def test_a_changed_bucket_makes_stale(bench: StoreBench, bucket: str) -> None:
    """A commit that read a bucket is refused if the bucket has changed since, whichever kind it is."""
    seen = bench.snapshot.revision
    first = mutation(bench.snapshot, entry(bench.snapshot, "one"))
    await bench.store.commit(replace(first, touch=first.touch | {bucket}))
    second = mutation(bench.snapshot, entry(bench.snapshot, "two"), read=frozenset([bucket]))
    with pytest.raises(Stale) as stale:
        await bench.store.commit(replace(second, revision=seen))
    assert stale.value.revision == 1
    outcome = await bench.store.commit(replace(second, revision=1))
    assert outcome.change.revision == 2


async def test_a_bucket_nobody_looked_at_does_not_matter(bench: StoreBench) -> None:
    """Commits about different resources do not conflict, however old their snapshots are."""
    snapshot = (bench.mesh, bench.snapshot.epoch)
    old = [mutation(bench.snapshot, entry(bench.snapshot, f"e{n}")) for n in range(3)]
    outcomes = [await bench.store.commit(replace(c, mesh=snapshot[0], revision=0)) for c in old]
    assert [outcome.change.revision for outcome in outcomes] == [1, 2, 3]


async def test_a_refused_commit_leaves_nothing_behind(bench: StoreBench) -> None:
    """After a stale commit there is no change, no version and no request ID; the next commit gets the next revision."""
    await insist(bench.store, bench.replica, setting("bank"))
    late = replace(mutation(bench.snapshot, entry(bench.snapshot, "bank", "x.com")), revision=0)
    with pytest.raises(Stale):
        await bench.store.commit(late)
    assert await bench.store.find_replay(bench.mesh, late.request) is None
    assert await bench.store.change(bench.mesh, 2) is None
    newest = await bench.store.newest(bench.mesh, late.resource.name)
    assert newest is not None
    assert newest.revision == 1
    assert (await insist(bench.store, bench.replica, setting("shop"))).change.revision == 2


async def test_another_epoch_is_stale(bench: StoreBench) -> None:
    """A snapshot of another store, lost or replaced, can't commit anything."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    with pytest.raises(Stale):
        await bench.store.commit(replace(commit, epoch="another"))
    with pytest.raises(Stale):
        await bench.store.commit(replace(commit, mesh="never-made"))


@pytest.mark.parametrize("round_", range(10))
async def test_write_skew_is_impossible(bench: StoreBench, round_: int) -> None:
    """Two entries that each pass the rule alone but not together, written at once: exactly one wins.

    The rule looks at who else has the host, so each commit reads host/h and touches it.
    """
    seen = bench.snapshot
    rule = frozenset(["host/h.example.com"])
    rivals = [
        mutation(seen, entry(seen, name, "h.example.com", protocol=protocol), read=rule)
        for name, protocol in (("one", Protocol.HTTP), ("two", Protocol.TCP))
    ]
    others = [await bench.another_store() for _ in rivals]
    outcomes = await asyncio.gather(
        *(store.commit(rival) for store, rival in zip(others, rivals, strict=True)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Committed", "Stale"]


async def test_one_of_many_rivals_wins_each_round(bench: StoreBench) -> None:
    """Counters that are read and written through the store never lose an update."""

    async def add_one(number: int) -> None:
        def decide(snapshot: object) -> Commit:
            now = bench.snapshot.get(entry(bench.snapshot, "counter").name)
            hosts = () if now is None else now.resource.hosts  # type: ignore[union-attr]
            return mutation(bench.snapshot, entry(bench.snapshot, "counter", *hosts, f"h{number}.example.com"))

        await insist(bench.store, bench.replica, decide)

    await asyncio.gather(*(add_one(number) for number in range(20)))
    final = bench.snapshot.get(entry(bench.snapshot, "counter").name)
    assert final is not None
    assert len(final.resource.hosts) == 20  # type: ignore[union-attr]
