"""Only the holder of the lease changes a cluster."""

import asyncio

from tests.support.doubles.memory_target import loop_time
from tests.support.meshes import cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World


@virtual_time
async def test_waits_for_the_lease() -> None:
    """A cluster that another applier holds is not touched; when its lease expires, we take over with a higher fence."""
    world = World(entry("bank"))
    world.store.give("east", "other", 30.0)
    async with world.driven():
        await asyncio.sleep(29)
        assert world.targets["east"].gathers == 0
        await world.applied()
    assert loop_time() - 1000 < 35
    assert world.status().fence == 2


@virtual_time
async def test_two_appliers_never_meet() -> None:
    """Of two appliers one holds the cluster (the fake insists), and the other takes over when it stops."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        task = asyncio.create_task(world.applier(owner="them").run())
        await asyncio.sleep(60)
        assert world.store.owner("east") == "us"
    world.set(entry("shop"))
    await world.applied()
    assert world.store.owner("east") == "them"
    task.cancel()
    await asyncio.wait({task})


@virtual_time
async def test_lease_lost_in_mid_apply() -> None:
    """When the lease is lost the apply in flight is interrupted, and nothing is changed until the lease is held
    again."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.seconds = 60.0
    async with world.driven():
        await world.until(lambda: target.busy)
        world.store.give("east", "other", 40.0)
        await world.until(lambda: not target.busy, seconds=4)
        assert target.writes == []
        assert target.closed
        gathers = target.gathers
        await asyncio.sleep(30)
        assert target.gathers == gathers
        target.seconds = 0.0
        await world.applied()
    assert target.writes[-1].witness.fence == 3


@virtual_time
async def test_store_refuses_the_record() -> None:
    """A status rejected for its fence ends the lease immediately: a newer applier has taken over."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.store.give("east", "other", 20.0)
        world.set(entry("shop"))
        await world.until(lambda: world.targets["east"].closed, seconds=0.2)
        gathers = world.targets["east"].gathers
        await asyncio.sleep(18)
        assert world.targets["east"].gathers == gathers


@virtual_time
async def test_younger_witness() -> None:
    """A witness of a newer lease means that another applier has taken over: the cluster is left alone."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        assert target.witness is not None
        target.cluster.witness = type(target.witness)("epoch-1", 3, "d3", fence=2)
        world.set(entry("shop"))
        await world.applied()
    assert target.writes[-1].witness.fence == 2


@virtual_time
async def test_long_apply_keeps_its_lease() -> None:
    """The lease is renewed during an apply that takes longer than it."""
    world = World(entry("bank"))
    world.targets["east"].seconds = 45.0
    async with world.driven():
        await world.applied(seconds=60)
    assert world.status().fence == 1


@virtual_time
async def test_cluster_of_another_process() -> None:
    """No lease is taken of a cluster that this process may not reconcile; it is taken when its registration allows it,
    and released when it no longer does."""
    world = World(clusters=("east", "west"))
    world.targets.unmanaged.add("west")
    async with world.driven():
        await world.applied("east")
        await asyncio.sleep(60)
        assert world.store.owner("west") is None
        assert world.targets["west"].gathers == 0
        world.targets.unmanaged.clear()
        world.set(cluster("west", may="drive"))
        await world.applied("west")
        assert world.store.owner("west") == "us"
        world.targets.unmanaged.add("west")
        world.set(cluster("west", may="not"))
        await world.until(lambda: world.store.owner("west") is None)
        assert world.targets["west"].closed
        assert world.targets.forgotten == []
