"""What a process receives in addition to desired state: who made a change and when, and requests for a resync."""

from dataclasses import replace

from egress_server.ports.store import Arrival, Replica
from tests.contract.benches import StoreBench
from tests.support.mutations import entry, mutation
from tests.support.waiting import until

SECONDS = 15.0
TRACE = f"00-{1:032x}-{2:016x}-01"


async def test_arrivals(bench: StoreBench, other: Replica) -> None:
    """In this process and in others a change arrives with its time and, if its call is traced, with its trace."""
    times = {}
    for number, traceparent in enumerate(("", TRACE), 1):
        commit = mutation(bench.snapshot, entry(bench.snapshot, f"e{number}"))
        outcome = await bench.store.commit(replace(commit, traceparent=traceparent))
        bench.replica.committed(outcome)
        times[number] = outcome.change.accept_time
    assert await other.wait_revision(2, SECONDS)
    expected = [Arrival(1, times[1], ""), Arrival(2, times[2], TRACE)]
    for replica in (bench.replica, other):
        assert replica.arrivals(0, 9) == expected
        assert replica.arrivals(1, 9) == expected[1:]
        assert replica.arrivals(0, 1) == expected[:1]


async def test_resyncs(bench: StoreBench, other: Replica) -> None:
    """A request for a resync of a cluster reaches every process, and does not change a cluster's record."""
    await bench.store.ask_resync(bench.mesh, "east")
    await bench.store.ask_resync(bench.mesh, "east")
    for replica in (bench.replica, other):
        await until(lambda replica=replica: replica.resyncs.get("east") == 2)  # type: ignore[misc]
        assert replica.statuses == {}
    late = await bench.another_replica()
    assert (late.statuses, dict(late.resyncs), late.status_number) == ({}, {}, 2)


async def test_newest(bench: StoreBench) -> None:
    """The last version of a deleted resource is found, too."""
    resource = entry(bench.snapshot, "e1")
    assert await bench.store.newest(bench.mesh, resource.name) is None
    made = await bench.store.commit(mutation(bench.snapshot, resource))
    assert await bench.store.newest(bench.mesh, resource.name) == made.versioned
    bench.replica.committed(made)
    gone = await bench.store.commit(mutation(bench.snapshot, resource, deletes=True))
    found = await bench.store.newest(bench.mesh, resource.name)
    assert found is not None
    assert (found.revision, found.deleted) == (gone.change.revision, True)
