"""A process's replica of the mesh: complete, and never going backwards."""

import asyncio

from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.ports.store import Replica
from tests.contract.benches import StoreBench, content
from tests.support.mutations import deleting, entry, insist, mutation, setting

SECONDS = 15.0


async def test_another_process_follows(bench: StoreBench, other: Replica) -> None:
    """Sets and deletes of one process arrive in another, indexed by host."""
    for number in range(10):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
    await insist(bench.store, bench.replica, deleting("e3"))
    assert await other.wait_revision(11, SECONDS)
    assert content(other.snapshot) == content(bench.snapshot)
    assert not other.snapshot.entries_with_host("e3.example.com")


async def test_a_late_start_loads_everything(bench: StoreBench) -> None:
    """A process that starts later has the same state as one that was there from the start."""
    for number in range(10):
        await insist(bench.store, bench.replica, setting(f"e{number}"))
    await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 4)])
    late = await bench.another_replica()
    assert content(late.snapshot) == content(bench.snapshot)
    assert late.statuses["c1"].applied_revision == 4


async def test_it_never_goes_backwards(bench: StoreBench, other: Replica) -> None:
    """Under concurrent commits of few resources neither the revision nor any resource's version ever decreases."""
    seen: dict[str, int] = {}
    done = asyncio.Event()

    def look(replica: Replica, label: str) -> None:
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


async def test_created_and_deleted_between_two_looks(bench: StoreBench, other: Replica) -> None:
    """A resource that was created and deleted before a process saw it leaves no trace there and does not block it."""
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


async def test_waiting_for_a_revision_ends_at_the_timeout(bench: StoreBench) -> None:
    """Waiting for a revision returns False if it does not come in time, and True immediately if it is there."""
    assert await bench.replica.wait_revision(0, 0)
    assert not await bench.replica.wait_revision(1, 0.01)


async def test_no_wakeup_is_lost(bench: StoreBench, other: Replica) -> None:
    """A watcher that reads after every wake-up always sees the last change in the end, however slow it is."""
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
