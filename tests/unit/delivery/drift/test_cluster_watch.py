"""A cluster that reports changes is reconciled when it does, and left alone during its debounce window."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.errors import TransientError
from tests.support.doubles.memory_target import MemoryTarget, loop_time
from tests.support.meshes import cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

EVIL = {"hosts": ["evil.example.com"]}


def watched_world(*entries: str) -> tuple[World, MemoryTarget]:
    """A world whose cluster reports changes."""
    world = World(*(entry(name) for name in entries))
    world.targets["east"].watchable = True
    return world, world.targets["east"]


@virtual_time
async def test_drift_is_seen_at_once() -> None:
    """A change by another client is reverted within a moment, without a resync."""
    world, target = watched_world("bank", "shop")
    async with world.driven():
        await world.applied()
        await asyncio.sleep(5)
        target.cluster.change("bank", EVIL)
        await world.until(lambda: len(target.writes) == 2, seconds=0.1)
    assert target.writes[1].upsert == ("bank",)
    assert target.watches == 1


@virtual_time
async def test_noise_costs_one_look_a_pace() -> None:
    """However often a cluster reports changes, it is reconciled at most once per interval."""
    world, target = watched_world("bank")
    async with world.driven():
        await world.applied()
        before = target.gathers
        for _ in range(1000):
            target.cluster.notify()
            await asyncio.sleep(0.001)
    assert target.gathers - before <= 11


@virtual_time
async def test_a_target_that_cannot_tell_is_asked_once() -> None:
    """A target that ends the watch without a report can't watch, and is not watched again."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        await asyncio.sleep(100)
    assert world.targets["east"].watches == 1


@virtual_time
@pytest.mark.parametrize("error", [TransientError("UNREACHABLE", "reset"), ZeroDivisionError("a bug")])
async def test_failed_watch_is_restarted(error: Exception) -> None:
    """A watch that fails is restarted, and what it missed is detected."""
    world, target = watched_world("bank")
    target.watch_failures = [error]
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", EVIL)
        await world.until(lambda: len(target.writes) == 2, seconds=1)
        assert target.watches == 2
        target.cluster.change("bank", EVIL)
        await world.until(lambda: len(target.writes) == 3, seconds=0.2)


@virtual_time
async def test_ended_watch_is_restarted() -> None:
    """A watch that has reported before and ends is restarted."""
    world, target = watched_world("bank")
    async with world.driven():
        await world.applied()
        target.cluster.notify()
        await asyncio.sleep(0.01)
        target.end_watches()
        await asyncio.sleep(0.01)
        target.watchable = True
        await world.until(lambda: target.watches == 2, seconds=1)


@virtual_time
async def test_pauses_of_listening_grow() -> None:
    """A cluster on which a watch always fails is not watched all the time."""
    world, target = watched_world("bank")
    target.watch_failures = [TransientError("UNREACHABLE", "reset") for _ in range(1000)]
    async with world.driven():
        await asyncio.sleep(600)
    assert 20 < target.watches < 50


@virtual_time
async def test_a_cluster_that_moved_is_listened_to_there() -> None:
    """A registration with another address ends the watch of the former one."""
    world, target = watched_world("bank")
    async with world.driven():
        await world.applied()
        other = world.targets.move("east")
        other.watchable = True
        world.set(replace(cluster("east"), target=KubernetesTarget(context="other")))
        await world.applied()
        assert (target.closed, other.watches) == (True, 1)
        looks = other.gathers
        target.cluster.change("bank", EVIL)
        await asyncio.sleep(1)
        assert other.gathers == looks
        other.cluster.change("bank", EVIL)
        await world.until(lambda: len(other.writes) == 2, seconds=0.1)


@virtual_time
async def test_no_listener_after_a_stop() -> None:
    """A stop ends the watch."""
    world, target = watched_world("bank")
    async with world.driven():
        await world.applied()
    looks = target.gathers
    target.cluster.change("bank", EVIL)
    await asyncio.sleep(100)
    assert target.gathers == looks


@virtual_time
async def test_quiet_after_an_apply() -> None:
    """After an apply that changed something the cluster is left alone; changes made meanwhile go out in one batch."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.debounce = 2.0
    async with world.driven():
        await world.applied()
        began = loop_time()
        for number in range(100):
            world.set(entry("bank", hosts=(f"h{number}.example.com",)))
            await asyncio.sleep(0.01)
        await world.applied()
    assert len(target.writes) == 2
    assert 1.95 < loop_time() - began < 2.1


@virtual_time
async def test_quiet_after_an_apply_that_failed() -> None:
    """A failed one may have changed something, so its retry waits as well."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.debounce = 7.0
    target.apply_failures = [TransientError("CONFLICT", "another client was faster")]
    async with world.driven():
        began = loop_time()
        await world.applied()
    assert 6.95 < loop_time() - began < 7.1


@virtual_time
async def test_a_witness_alone_needs_no_quiet() -> None:
    """If only the witness was written, the next change need not wait."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.debounce = 5.0
        world.set(cluster("west"))
        await world.applied()
        began = loop_time()
        world.set(entry("shop"))
        await world.applied()
    assert loop_time() - began < 0.2
