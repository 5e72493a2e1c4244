"""A cluster's inventory is written when it changes, at a bounded rate, and blocks nothing."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from egress_server.domain.model.status import Phase
from egress_server.domain.observed.inventory import Inventory, StaleWorkload
from tests.support.doubles.memory_target import MemoryTarget, loop_time
from tests.support.meshes import BIRTH, cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

SEEN = Inventory("east", BIRTH, namespaces=("default",))
STALE = StaleWorkload("Deployment", "default", "web", 2, 2, "older rules")


def seeing(*names: str) -> tuple[World, MemoryTarget]:
    """A world whose cluster has an inventory."""
    world = World(*(entry(name) for name in names))
    target = world.targets["east"]
    target.watchable, target.inventory = True, SEEN
    return world, target


@virtual_time
async def test_put_once() -> None:
    """An inventory of which only the time has changed is not written again, except now and then to show that it is
    current."""
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
    """A change is written immediately, but not more often than every two seconds; the last one wins."""
    world, target = seeing()
    async with world.driven():
        await world.applied()
        await asyncio.sleep(10)
        began = loop_time()
        for number in range(100):
            target.inventory = replace(SEEN, namespaces=(f"n{number}",))
            target.cluster.notify()
            await asyncio.sleep(0.05)
        await asyncio.sleep(3)
    times = [at for at, _ in world.store.inventories[1:]]
    assert times[0] - began < 0.2
    assert min(later - earlier for earlier, later in pairwise(times)) >= 2.0
    assert len(times) == 4
    assert world.replica.inventories["east"].namespaces == ("n99",)


@virtual_time
async def test_a_takeover_writes_only_what_is_new() -> None:
    """An applier that takes a cluster over uses the inventory in the store."""
    world, _ = seeing()
    world.store.write_inventory("default", SEEN)
    async with world.driven():
        await world.applied()
        await asyncio.sleep(61)
    assert world.store.inventories == []


@virtual_time
async def test_a_cluster_that_cannot_tell() -> None:
    """No inventory is written, and nothing is stale there."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        await asyncio.sleep(400)
    assert world.store.inventories == []
    assert world.status().stale_workloads == 0


@virtual_time
async def test_put_though_the_cluster_is_held() -> None:
    """The inventory is written even if a guard forbids all changes."""
    world, target = seeing("bank")
    async with world.driven():
        await world.applied()
        assert target.witness is not None
        target.cluster.witness = replace(target.witness, epoch="another")
        target.inventory = replace(SEEN, namespaces=("new",))
        target.cluster.notify()
        await world.until(lambda: world.status().phase is Phase.HELD)
        await world.until(lambda: world.replica.inventories["east"].namespaces == ("new",), seconds=2)


@virtual_time
async def test_unreachable_store() -> None:
    """A store that rejects it does not block a reconcile, and gets it later."""
    world, target = seeing("bank")
    async with world.driven():
        await world.applied()
        await asyncio.sleep(5)
        world.store.refuses_inventories = True
        target.inventory = replace(SEEN, namespaces=("new",))
        target.cluster.notify()
        world.set(entry("shop"))
        await world.applied(seconds=0.3)
        await asyncio.sleep(5)
        world.store.refuses_inventories = False
        await world.until(lambda: world.replica.inventories["east"].namespaces == ("new",), seconds=2.1)


@virtual_time
async def test_stale_workloads_are_counted() -> None:
    """The status counts stale workloads, including those that did not fit into the inventory."""
    world, target = seeing("bank")
    target.inventory = replace(SEEN, stale_workloads=(STALE,), left_out={"stale_workloads": 3})
    async with world.driven():
        await world.applied()
        assert world.status().stale_workloads == 4
        target.inventory = SEEN
        target.cluster.notify()
        await world.until(lambda: world.status().stale_workloads == 0, seconds=1)


@virtual_time
async def test_dropped_with_its_cluster() -> None:
    """The inventory of a deregistered cluster is deleted, even if no applier was running then."""
    world, _ = seeing("bank")
    world.store.write_inventory("default", replace(SEEN, cluster="gone"))
    async with world.driven():
        await world.until(lambda: set(world.replica.inventories) == {"east"})
        world.delete(cluster("east"))
        await world.until(lambda: not world.replica.inventories, seconds=1)
        assert world.targets.forgotten == ["east"]


@virtual_time
async def test_a_stop_keeps_it() -> None:
    """The inventory of a cluster outlives its applier."""
    world, _ = seeing("bank")
    async with world.driven():
        await world.until(lambda: "east" in world.replica.inventories)
    assert "east" in world.replica.inventories


@virtual_time
async def test_a_store_that_does_not_forget() -> None:
    """A store that can't delete it does not prevent a cluster from being released."""
    world, target = seeing("bank")
    async with world.driven():
        await world.until(lambda: "east" in world.replica.inventories)
        world.store.refuses_inventories = True
        world.delete(cluster("east"))
        await asyncio.sleep(5)
        assert target.closed
        world.set(cluster("east"))
        await world.applied()
