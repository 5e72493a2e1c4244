"""An applier that takes a cluster over distinguishes drift from what the last one could not do."""

import asyncio

import pytest

from tests.support.meshes import MESH, entry, fault
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.drift.support import BANK, EVIL, LEFT, SHOP, hosts, reported
from tests.unit.delivery.world import World


@virtual_time
@pytest.mark.parametrize("mesh", [MESH, LEFT])
async def test_drift_without_an_applier(mesh: object) -> None:
    """An applier that takes a cluster over detects what was changed meanwhile, by the status of the previous one."""
    world = World(mesh, BANK, SHOP)  # type: ignore[arg-type]
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
    target.cluster.change("bank", EVIL)
    async with world.driven():
        await world.until(lambda: bool(world.status().drift), seconds=1)
    assert reported(world) == [("bank", "CHANGED", mesh is MESH)]
    seen = world.status().drift[0].seen_time
    async with world.driven():
        await asyncio.sleep(5)
    assert [drift.seen_time for drift in world.status().drift] == [seen]


@virtual_time
@pytest.mark.parametrize("mesh", [MESH, LEFT])
async def test_what_is_rendered_differently_now_is_not_drift(mesh: object) -> None:
    """An applier that takes a cluster over unchanged applies what it renders of the same desired state."""
    world = World(mesh, BANK, SHOP)  # type: ignore[arg-type]
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        world.set(fault("slow", ttl=1010.0))
        await world.applied()
    await asyncio.sleep(30)
    target.unsupported = {BANK.name: "no longer"}
    async with world.driven():
        await world.until(lambda: bool(world.status().obstacles), seconds=1)
    assert {key.name for key in target.objects} == {"shop"}
    assert world.status().drift == ()


@virtual_time
async def test_what_could_not_be_held_before_is_not_drift() -> None:
    """What is added because an obstacle has gone while no applier was responsible is not drift."""
    world = World(BANK, SHOP)
    target = world.targets["east"]
    target.unsupported = {SHOP.name: "not here"}
    async with world.driven():
        await world.applied()
    target.unsupported = {}
    target.cluster.change("bank", EVIL)
    async with world.driven():
        await world.until(lambda: len(target.objects) == 2, seconds=1)
        await world.until(lambda: bool(world.status().drift), seconds=1)
    assert reported(world) == [("bank", "CHANGED", True)]


@virtual_time
async def test_drift_and_desired_state_at_once() -> None:
    """If both changed while no applier was responsible, desired state wins: the two can't be distinguished."""
    world = World(LEFT, BANK)
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
    target.cluster.change("bank", EVIL)
    world.set(SHOP)
    async with world.driven():
        await world.applied()
    assert hosts(target, "bank") == ["bank.example.com"]
    assert world.status().drift == ()


@virtual_time
async def test_a_record_that_lags_behind_the_cluster() -> None:
    """An applier that died between the cluster and its record did not record what it left: nothing is called drift."""
    world = World(LEFT, BANK)
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        record = world.status()
        world.set(entry("bank", hosts=("other.example.com",)))
        await world.applied()
    world.store.write_statuses("default", [record])
    target.cluster.change("bank", EVIL)
    async with world.driven():
        await world.until(lambda: hosts(target, "bank") == ["other.example.com"], seconds=1)
    assert world.status().drift == ()
