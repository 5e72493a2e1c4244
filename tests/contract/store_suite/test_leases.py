"""Appliers: who drives a cluster, and whose record of it counts."""

import asyncio
import time

from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from tests.contract.conftest import Bench


async def test_one_owner_at_a_time(bench: Bench) -> None:
    """While one holds a lease another gets none; released, the other gets it with a higher fence."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    assert first is not None
    assert await bench.store.acquire(bench.mesh, "c1", "b", 60) is None
    await bench.store.release(bench.mesh, "c1", "a")
    second = await bench.store.acquire(bench.mesh, "c1", "b", 60)
    assert second is not None
    assert second.fence > first.fence


async def test_only_the_owner_releases(bench: Bench) -> None:
    """A release by somebody who lost the lease meanwhile does not take it from the new owner."""
    await bench.store.acquire(bench.mesh, "c1", "a", 60)
    await bench.store.release(bench.mesh, "c1", "b")
    assert await bench.store.acquire(bench.mesh, "c1", "b", 60) is None


async def test_renewal_keeps_the_fence(bench: Bench) -> None:
    """The owner may take its lease again; the fence stays and the deadline moves."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    again = await bench.store.acquire(bench.mesh, "c1", "a", 120)
    assert first is not None
    assert again is not None
    assert again.fence == first.fence
    assert again.deadline > first.deadline


async def test_the_deadline_is_before_the_stores(bench: Bench) -> None:
    """The holder's deadline is never later than the moment at which the store gives the lease to another."""
    lease = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    left_ms = await bench.connection.call("PTTL", bench.keys.lease("c1"))
    assert lease is not None
    assert lease.deadline - time.monotonic() <= (left_ms + 1) / 1000


async def test_a_lease_ends_by_itself(bench: Bench) -> None:
    """An owner that died loses the lease, and its fence is old from then on, even for itself."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 0.02)
    assert first is not None
    second = None
    async with asyncio.timeout(15):
        while second is None:
            second = await bench.store.acquire(bench.mesh, "c1", "b", 60)
    assert second.fence > first.fence
    refused = await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.APPLYING, fence=first.fence)])
    assert list(refused) == ["c1"]


async def test_leases_are_per_cluster(bench: Bench) -> None:
    """A lease on one cluster says nothing of another."""
    assert await bench.store.acquire(bench.mesh, "c1", "a", 60) is not None
    assert await bench.store.acquire(bench.mesh, "c2", "b", 60) is not None


async def test_a_record_with_an_old_fence_is_not_written(bench: Bench) -> None:
    """Of several records in one call only those of overtaken appliers are left out, and named."""
    await bench.store.acquire(bench.mesh, "c1", "a", 60)
    await bench.store.release(bench.mesh, "c1", "a")
    young = await bench.store.acquire(bench.mesh, "c1", "b", 60)
    assert young is not None
    refused = await bench.store.put_status(
        bench.mesh,
        [
            ClusterStatus("c1", Phase.SETTLED, 7, fence=young.fence - 1),
            ClusterStatus("c2", Phase.SETTLED, 9, fence=0),
        ],
    )
    assert list(refused) == ["c1"]
    assert await bench.connection.call("HKEYS", bench.keys.status) == [b"c2"]
    assert not await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 8, fence=young.fence)])


async def test_a_record_arrives_as_it_was_written(bench: Bench) -> None:
    """Replicas see an applier's record with all its parts."""
    now = await bench.store.now()
    status = ClusterStatus(
        "c1",
        Phase.FAILED,
        applied_revision=3,
        apply_time=now,
        problem=Problem("APPLY_FAILED", "no route to host", now),
        disagreements={"meshes/default/x": Problem("PROBE", "expected BLOCKED")},
    )
    with bench.replica.watch() as news:
        await bench.store.put_status(bench.mesh, [status])
        await asyncio.wait_for(anext(news), 5)
    assert bench.replica.statuses == {"c1": status}
