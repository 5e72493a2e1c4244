"""What a cluster holds besides ours reaches the store when it is new, at a bounded rate, and holds nothing up."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from egress_server.domain.model.status import Phase
from egress_server.domain.observed.inventory import Inventory, StaleWorkload
from tests.support.meshes import BIRTH, cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.fakes import FakeTarget, loop_time
from tests.unit.delivery.world import World

SEEN = Inventory("east", BIRTH, namespaces=("default",))
STALE = StaleWorkload("Deployment", "default", "web", 2, 2, "older rules")


def seeing(*names: str) -> tuple[World, FakeTarget]:
    """A world whose cluster tells what it holds besides."""
    world = World(*(entry(name) for name in names))
    target = world.targets["east"]
    target.tells, target.inventory = True, SEEN
    return world, target


@virtual_time
async def test_put_once() -> None:
    """An inventory that says nothing new is not written again, though its time is another one; now and then it is, so
    that its time shows how good it is."""
    world, target = seeing("bank")
    async with world.driven():
        await world.until(lambda: "east" in world.replica.inventories, seconds=0.1)
        await asyncio.sleep(290)
        assert target.gathers >= 5
        assert len(world.store.inventories) == 1
        await asyncio.sleep(130)
    assert len(world.store.inventories) == 2


@virtual_time
async def test_what_is_new_is_put_at_a_bounded_rate() -> None:
    """News go out at once, but not more often than every two seconds; the last ones win."""
    world, target = seeing()
    async with world.driven():
        await world.applied()
        await asyncio.sleep(10)
        began = loop_time()
        for number in range(100):
            target.inventory = replace(SEEN, namespaces=(f"n{number}",))
            target.meddle("none")
            await asyncio.sleep(0.05)
        await asyncio.sleep(3)
    times = [at for at, _ in world.store.inventories[1:]]
    assert times[0] - began < 0.2
    assert min(later - earlier for earlier, later in pairwise(times)) >= 2.0
    assert len(times) == 4
    assert world.replica.inventories["east"].namespaces == ("n99",)


@virtual_time
async def test_a_takeover_writes_only_what_is_new() -> None:
    """Who takes a cluster over knows what the store has."""
    world, _ = seeing()
    world.store.write_inventory("default", SEEN)
    async with world.driven():
        await world.applied()
        await asyncio.sleep(61)
    assert world.store.inventories == []


@virtual_time
async def test_a_cluster_that_cannot_tell() -> None:
    """Nothing is written of it, and nothing is stale there."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        await asyncio.sleep(400)
    assert world.store.inventories == []
    assert world.status().stale_workloads == 0


@virtual_time
async def test_put_though_the_cluster_is_held() -> None:
    """What is seen is told whatever forbids to change anything."""
    world, target = seeing("bank")
    async with world.driven():
        await world.applied()
        assert target.witness is not None
        target.witness = replace(target.witness, epoch="another")
        target.inventory = replace(SEEN, namespaces=("new",))
        target.meddle("none")
        await world.until(lambda: world.status().phase is Phase.HELD)
        await world.until(lambda: world.replica.inventories["east"].namespaces == ("new",), seconds=2)


@virtual_time
async def test_the_store_is_away() -> None:
    """A store that does not take it holds no cycle up, and gets it later."""
    world, target = seeing("bank")
    async with world.driven():
        await world.applied()
        await asyncio.sleep(5)
        world.store.refuses_inventories = True
        target.inventory = replace(SEEN, namespaces=("new",))
        target.meddle("none")
        world.set(entry("shop"))
        await world.applied(seconds=0.3)
        await asyncio.sleep(5)
        world.store.refuses_inventories = False
        await world.until(lambda: world.replica.inventories["east"].namespaces == ("new",), seconds=2.1)


@virtual_time
async def test_stale_workloads_are_counted() -> None:
    """The cluster's record tells how many there are, those included that the inventory has no place for."""
    world, target = seeing("bank")
    target.inventory = replace(SEEN, stale_workloads=(STALE,), left_out={"stale_workloads": 3})
    async with world.driven():
        await world.applied()
        assert world.status().stale_workloads == 4
        target.inventory = SEEN
        target.meddle("none")
        await world.until(lambda: world.status().stale_workloads == 0, seconds=1)


@virtual_time
async def test_dropped_with_its_cluster() -> None:
    """Of a cluster that is no longer registered nothing stays, also where it went while nobody drove it."""
    world, _ = seeing("bank")
    world.store.write_inventory("default", replace(SEEN, cluster="gone"))
    async with world.driven():
        await world.until(lambda: set(world.replica.inventories) == {"east"})
        world.delete(cluster("east"))
        await world.until(lambda: not world.replica.inventories, seconds=1)
        assert world.targets.forgotten == ["east"]


@virtual_time
async def test_a_stop_keeps_it() -> None:
    """What is known of a cluster outlives its applier."""
    world, _ = seeing("bank")
    async with world.driven():
        await world.until(lambda: "east" in world.replica.inventories)
    assert "east" in world.replica.inventories


@virtual_time
async def test_a_store_that_does_not_forget() -> None:
    """That the store can't forget it does not keep a cluster from being let go of."""
    world, target = seeing("bank")
    async with world.driven():
        await world.until(lambda: "east" in world.replica.inventories)
        world.store.refuses_inventories = True
        world.delete(cluster("east"))
        await asyncio.sleep(5)
        assert target.closed
        world.set(cluster("east"))
        await world.applied()
