"""Appliers: which one manages a cluster, and whose record of it counts."""

import asyncio

from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from tests.contract.benches import StoreBench
from tests.support.waiting import until


async def test_one_owner_at_a_time(bench: StoreBench) -> None:
    """While one owner holds a lease, another can't get it; once released, the other gets it with a higher fence."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    assert first is not None
    assert await bench.store.acquire(bench.mesh, "c1", "b", 60) is None
    await bench.store.release(bench.mesh, "c1", "a")
    second = await bench.store.acquire(bench.mesh, "c1", "b", 60)
    assert second is not None
    assert second.fence > first.fence


async def test_only_the_owner_releases(bench: StoreBench) -> None:
    """A release by an owner that lost the lease meanwhile does not take it from the new one."""
    await bench.store.acquire(bench.mesh, "c1", "a", 60)
    await bench.store.release(bench.mesh, "c1", "b")
    assert await bench.store.acquire(bench.mesh, "c1", "b", 60) is None


async def test_renewal_keeps_the_fence(bench: StoreBench) -> None:
    """The owner may renew its lease; the fence stays and the deadline moves."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    again = await bench.store.acquire(bench.mesh, "c1", "a", 120)
    assert first is not None
    assert again is not None
    assert again.fence == first.fence
    assert again.deadline > first.deadline


async def test_a_lease_ends_by_itself(bench: StoreBench) -> None:
    """An owner that died loses the lease, and its fence is outdated from then on, even for itself."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    assert first is not None
    await bench.advance(59)
    assert await bench.store.acquire(bench.mesh, "c1", "b", 60) is None
    await bench.advance(2)
    second = await bench.store.acquire(bench.mesh, "c1", "b", 60)
    assert second is not None
    assert second.fence > first.fence
    assert await bench.store.acquire(bench.mesh, "c1", "a", 60) is None
    refused = await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.APPLYING, fence=first.fence)])
    assert list(refused) == ["c1"]


async def test_a_lapsed_lease_has_a_new_fence(bench: StoreBench) -> None:
    """An owner that lets its lease lapse and takes it again gets a higher fence: another applier may have held it."""
    first = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    await bench.advance(61)
    again = await bench.store.acquire(bench.mesh, "c1", "a", 60)
    assert first is not None
    assert again is not None
    assert again.fence > first.fence


async def test_leases_are_per_cluster(bench: StoreBench) -> None:
    """A lease on one cluster does not affect another."""
    assert await bench.store.acquire(bench.mesh, "c1", "a", 60) is not None
    assert await bench.store.acquire(bench.mesh, "c2", "b", 60) is not None


async def test_a_record_with_an_old_fence_is_not_written(bench: StoreBench) -> None:
    """Of several records in one call, only those of overtaken appliers are rejected, and named."""
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
    await until(lambda: set(bench.replica.statuses) == {"c2"})
    assert not await bench.store.put_status(bench.mesh, [ClusterStatus("c1", Phase.SETTLED, 8, fence=young.fence)])


async def test_a_record_arrives_as_it_was_written(bench: StoreBench) -> None:
    """Replicas receive an applier's record with all its fields."""
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
