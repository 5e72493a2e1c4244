"""Workloads are restarted on request: one after the other, until one does not become ready."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from egress_server.domain.model.clusters import Cluster, RestartOrder
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.status import RestartProgress, RestartState
from egress_server.domain.observed.inventory import Inventory, StaleWorkload
from tests.support.doubles.memory_target import MemoryTarget
from tests.support.meshes import BIRTH, cluster, entry, with_orders
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

A, B, C = (f"Deployment/default/{name}" for name in "abc")


def ordering(id_: str, *workloads: str) -> Cluster:
    """The cluster with a restart request."""
    return with_orders(cluster("east"), restart=RestartOrder(id_, workloads))


def stale(kind: str, name: str) -> StaleWorkload:
    """A workload with stale rules."""
    return StaleWorkload(kind, "default", name, 1, 1, "older rules")


def progress(world: World) -> RestartProgress:
    """The restart in the record."""
    found = world.status().restart
    assert found is not None
    return found


def names(target: MemoryTarget) -> list[str]:
    """What was restarted, in order."""
    return [workload for _, workload in target.restarts]


async def over(world: World, id_: str, seconds: float = 100.0) -> RestartProgress:
    """Waits for the end of a restart."""

    def ended() -> bool:
        told = world.status().restart
        return told is not None and told.id == id_ and told.state is not RestartState.RUNNING

    await world.until(ended, seconds=seconds)
    return progress(world)


@virtual_time
async def test_one_after_the_other() -> None:
    """Each starts a while after the previous one is ready; the status follows, and shows the end."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        world.set(ordering("o1", A, B, A, C))
        await world.until(
            lambda: world.status().restart == RestartProgress("o1", RestartState.RUNNING, (A,)), seconds=4
        )
        assert await over(world, "o1") == RestartProgress("o1", RestartState.DONE, (A, B, C))
        await asyncio.sleep(200)
    assert names(target) == [A, B, C]
    assert [round(later - earlier) for (earlier, _), (later, _) in pairwise(target.restarts)] == [8, 8]


@virtual_time
async def test_concurrently_with_reconciles() -> None:
    """A long restart does not delay a change."""
    world = World(entry("bank"))
    world.targets["east"].restart_seconds = 200.0
    async with world.driven():
        world.set(ordering("o1", A))
        await world.until(lambda: bool(world.targets["east"].restarts))
        world.set(entry("shop"))
        await world.applied(seconds=0.5)
        assert progress(world).state is RestartState.RUNNING


@virtual_time
async def test_stops_at_the_first_that_is_not_back() -> None:
    """The remaining ones are left alone, until the next request."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.never_ready = {B}
    async with world.driven():
        world.set(ordering("o1", A, B, C))
        assert await over(world, "o1") == RestartProgress("o1", RestartState.STOPPED, (A,), B, f"{B} is not ready")
        await asyncio.sleep(200)
        assert names(target) == [A, B]
        world.set(ordering("o2", C))
        assert (await over(world, "o2")).done == (C,)


@virtual_time
async def test_a_bug_stops_it_too() -> None:
    """An internal error is reported without its text, and nothing further is restarted."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.restart_failures = [ZeroDivisionError("secret")]
    async with world.driven():
        world.set(ordering("o1", A, B))
        told = await over(world, "o1")
        assert (told.state, told.failed) == (RestartState.STOPPED, A)
        assert "secret" not in told.message
        world.set(entry("shop"))
        await world.applied()
    assert names(target) == [A]


@virtual_time
async def test_tried_again() -> None:
    """If the cluster can't be reached the same workload is retried, as late as the cluster asks."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.restart_failures = [TransientError("UNREACHABLE", "no route"), TransientError("THROTTLED", "later", 30.0)]
    async with world.driven():
        world.set(ordering("o1", A, B))
        await world.until(lambda: world.status().restart is not None and progress(world).message != "")
        assert progress(world) == RestartProgress("o1", RestartState.RUNNING, message=f"retrying {A}: no route")
        assert await over(world, "o1") == RestartProgress("o1", RestartState.DONE, (A, B))
    assert names(target) == [A, A, A, B]
    assert target.restarts[2][0] - target.restarts[1][0] == pytest.approx(30.0)


@virtual_time
async def test_all_that_is_stale() -> None:
    """A request without names is for all stale workloads, as observed a moment later; pods without an owner are
    listed."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.watchable = True
    target.inventory = Inventory("east", BIRTH)
    async with world.driven():
        world.set(ordering("o1"))
        await world.applied()
        await asyncio.sleep(2)
        found = (stale("Deployment", "a"), stale("Pod", "lone"), stale("StatefulSet", "db"))
        target.inventory = replace(target.inventory, stale_workloads=found)
        target.cluster.notify()
        told = await over(world, "o1")
    assert told.done == (A, "StatefulSet/default/db")
    assert told.message == "a restart would not help, replace manually: 1, such as Pod default/lone"


@virtual_time
@pytest.mark.parametrize("inventory", [None, Inventory("east", BIRTH)])
async def test_nothing_is_stale(inventory: Inventory | None) -> None:
    """Then there is nothing to do."""
    world = World(entry("bank"))
    world.targets["east"].inventory = inventory
    async with world.driven():
        world.set(ordering("o1"))
        assert await over(world, "o1") == RestartProgress("o1", RestartState.DONE)
    assert names(world.targets["east"]) == []


@virtual_time
async def test_a_newer_order() -> None:
    """It takes over once the workload in flight is ready."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        world.set(ordering("o1", A, B))
        await world.until(lambda: bool(target.restarts))
        world.set(ordering("o2", C))
        assert await over(world, "o2") == RestartProgress("o2", RestartState.DONE, (C,))
    assert names(target) == [A, C]


@virtual_time
async def test_called_off() -> None:
    """A request that is cancelled, or a cluster that is released, ends it."""
    for after in (cluster("east"), replace(ordering("o1", A, B), draining=True)):
        world = World(entry("bank"))
        target = world.targets["east"]
        async with world.driven():
            world.set(ordering("o1", A, B))
            await world.until(lambda target=target: bool(target.restarts))  # type: ignore[misc]
            world.set(after)
            await asyncio.sleep(60)
        assert names(target) == [A]


@virtual_time
async def test_a_draining_cluster_begins_none() -> None:
    """Nothing is restarted on a cluster that is being deregistered."""
    world = World(entry("bank"))
    world.set(replace(ordering("o1", A), draining=True))
    async with world.driven():
        await asyncio.sleep(30)
    assert names(world.targets["east"]) == []


@virtual_time
async def test_resumed() -> None:
    """An applier that takes the cluster over continues where the previous one stopped, and repeats nothing."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        world.set(ordering("o1", A, B, C))
        await world.until(lambda: len(target.restarts) == 2)
    assert progress(world) == RestartProgress("o1", RestartState.RUNNING, (A,))
    async with world.driven():
        assert await over(world, "o1") == RestartProgress("o1", RestartState.DONE, (A, B, C))
        world.set(entry("shop"))
        await asyncio.sleep(100)
    assert names(target) == [A, B, B, C]
    async with world.driven():
        await asyncio.sleep(100)
    assert names(target) == [A, B, B, C]


@virtual_time
async def test_a_lost_lease_ends_it() -> None:
    """An applier that has lost the lease restarts nothing."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        world.set(ordering("o1", A, B, C))
        await world.until(lambda: world.status().restart is not None)
        world.store.give("east", "other", 1000.0)
        await asyncio.sleep(60)
    assert names(target) in ([A], [A, B])
    assert progress(world).state is RestartState.RUNNING
