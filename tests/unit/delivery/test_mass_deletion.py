"""A large share of the managed objects is deleted only with approval."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.domain.model.clusters import (
    Cluster,
    ClusterTarget,
    DirectoryTarget,
    DriftPolicy,
    KubernetesTarget,
    LocalTarget,
)
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.status import MASS_DELETION, Phase, Problem
from tests.support.doubles.memory_target import MemoryTarget
from tests.support.meshes import MESH, cluster, entry, fault, interception, with_orders
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

EAST = replace(cluster("east"), target=KubernetesTarget())


def entries(count: int) -> list[ServiceEntry]:
    """This many entries."""
    return [entry(f"e{number:02}") for number in range(count)]


async def holding(count: int, kind: Cluster = EAST) -> tuple[World, MemoryTarget]:
    """A world whose cluster holds so many entries; no applier is running."""
    world = World(*entries(count))
    world.set(kind)
    async with world.driven():
        await world.applied()
    return world, world.targets["east"]


def deletes(world: World, count: int, first: int = 0) -> None:
    """A user deletes this many entries."""
    for each in entries(first + count)[first:]:
        world.delete(each)


def problem(world: World) -> Problem:
    """Why the cluster is held."""
    found = world.status().problem
    assert found is not None
    assert world.status().phase is Phase.HELD
    return found


@virtual_time
@pytest.mark.parametrize(
    ("there", "going", "held"),
    [(9, 5, False), (9, 6, True), (29, 6, True), (30, 6, False), (31, 7, True), (6, 6, True), (5, 5, False)],
)
async def test_how_much_is_much(there: int, going: int, held: bool) -> None:
    """More than five and more than a fifth: with less the cluster is reconciled."""
    world, target = await holding(there)
    deletes(world, going)
    async with world.driven():
        await asyncio.sleep(5)
    assert (world.status().phase is Phase.HELD) is held
    assert len(target.objects) == (there if held else there - going)


@virtual_time
async def test_what_is_only_remembered_goes_without_asking() -> None:
    """Interceptions that the cluster only remembers take effect with a requested restart."""
    world = World(*(interception(f"i{number}", scope=Scope(f"n{number}")) for number in range(6)))
    world.set(EAST)
    async with world.driven():
        await world.applied()
        for number in range(6):
            world.delete(interception(f"i{number}"))
        await world.applied(seconds=5)
    assert world.targets["east"].objects == {}


@virtual_time
async def test_held_says_what_and_how() -> None:
    """Nothing at all is changed; the record has the counts, examples, and how to proceed."""
    world, target = await holding(9)
    world.set(entry("new"))
    deletes(world, 6)
    writes = len(target.writes)
    async with world.driven():
        await asyncio.sleep(200)
    assert len(target.writes) == writes
    found = problem(world)
    assert (found.reason, found.retry_time) == (MASS_DELETION, None)
    assert found.message == (
        "6 of 9 managed objects would be deleted on the cluster, such as ServiceEntry default/e00, ServiceEntry "
        "default/e01, ServiceEntry default/e02. The cluster is frozen until this deletion is approved or the deleted "
        "resources are restored: egressctl cluster approve east"
    )
    assert len(found.token) == 16


@virtual_time
async def test_approved() -> None:
    """Exactly what was approved is deleted, and the rest of the reconcile continues."""
    world, target = await holding(9)
    world.set(entry("new"))
    deletes(world, 6)
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        world.set(with_orders(EAST, approved=problem(world).token))
        await world.applied()
    assert {key.name for key in target.objects} == {"e06", "e07", "e08", "new"}
    assert world.status().problem is None


@virtual_time
async def test_approval_of_something_else() -> None:
    """If the deletion has changed since the approval, it is held again under another token."""
    world, target = await holding(9)
    deletes(world, 6)
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        token = problem(world).token
        deletes(world, 1, first=6)
        world.set(with_orders(EAST, approved=token))
        await world.until(lambda: problem(world).token != token)
        await asyncio.sleep(100)
    assert "7 of 9" in problem(world).message
    assert len(target.objects) == 9


@virtual_time
async def test_approved_once() -> None:
    """The same deletion at another time is another deletion."""
    world, _ = await holding(9)
    async with world.driven():
        deletes(world, 6)
        await world.until(lambda: world.status().phase is Phase.HELD)
        token = problem(world).token
        world.set(with_orders(EAST, approved=token))
        await world.applied()
        for each in entries(6):
            world.set(each)
        await world.applied()
        deletes(world, 6)
        await world.until(lambda: world.status().phase is Phase.HELD)
    assert problem(world).token != token


@virtual_time
async def test_brought_back() -> None:
    """If the deleted resources are restored, no approval is needed."""
    world, target = await holding(9)
    deletes(world, 6)
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        for each in entries(6):
            world.set(each)
        await world.applied()
    assert len(target.objects) == 9


@virtual_time
@pytest.mark.parametrize("target_", [LocalTarget(), DirectoryTarget(), KubernetesTarget()])
async def test_where_workloads_are(target_: ClusterTarget) -> None:
    """Only Kubernetes clusters are guarded."""
    world, target = await holding(9, replace(EAST, target=target_))
    deletes(world, 6)
    async with world.driven():
        await asyncio.sleep(5)
    assert len(target.objects) == (9 if isinstance(target_, KubernetesTarget) else 3)


@virtual_time
async def test_released_cluster() -> None:
    """Deregistering a cluster with cleanup approves that everything is deleted."""
    world, target = await holding(9)
    world.set(replace(EAST, draining=True))
    async with world.driven():
        await world.applied()
    assert target.objects == {}


@virtual_time
async def test_faults_end_all_the_same() -> None:
    """Removing expired or cleared faults is never held: it restores the previous state."""
    world = World(*entries(3))
    world.set(EAST)
    target = world.targets["east"]
    faults = [fault(f"f{number}", host=f"h{number}.example.com", ttl=1020.0 + number) for number in range(12)]
    async with world.driven():
        for each in faults:
            world.set(each)
        await world.applied()
        assert len(target.objects) == 15
        for each in faults[:6]:
            world.delete(each)
        await world.applied()
        assert len(target.objects) == 9
        await asyncio.sleep(60)
    assert len(target.objects) == 3


@virtual_time
async def test_strangers_with_our_label() -> None:
    """A foreign object that got our label is not deleted without approval if there are many; left alone, it does not
    count."""
    world, target = await holding(9)
    first = next(iter(target.objects.values()))
    for number in range(6):
        key = ObjectKey("ServiceEntry", "default", f"stranger{number}")
        target.objects[key] = {**first, "metadata": {**first["metadata"], "name": key.name}}
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        assert "6 of 15" in problem(world).message
        assert len(world.status().drift) == 6
        world.set(replace(MESH, drift_policy=DriftPolicy.REPORT))
        await world.applied()
    assert len(target.objects) == 15


@virtual_time
async def test_faults_end_on_a_held_cluster() -> None:
    """A guard does not prevent a fault from ending on time, even if the applier only knows it from the cluster."""
    world = World(*entries(9))
    world.set(EAST)
    target = world.targets["east"]
    async with world.driven():
        world.set(fault("slow", host="e08.example.com", ttl=1010.0))
        world.set(fault("slower", host="e08.example.com", ttl=1020.0, ports=(80,)))
        await world.applied()
    deletes(world, 6)

    def faulted() -> int:
        services = [obj for key, obj in target.objects.items() if key.kind == "VirtualService"]
        return sum("fault" in route for obj in services for route in obj["spec"]["http"])

    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        assert faulted() == 2
        await world.until(lambda: faulted() == 1, seconds=60)
        await world.until(lambda: faulted() == 0, seconds=15)
    assert world.status().phase is Phase.HELD
    assert len(target.objects) == 10
