"""An applier that was started without its store: it ends faults, as recorded on the clusters, and does nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from egress_server.delivery.standby import StandbyApplier
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.ports.target import UNREACHABLE
from tests.support.meshes import cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.test_fault_ttl import fault, faulted
from tests.unit.delivery.world import World, clock

OFF = TransientError(UNREACHABLE, "no route")


async def left_behind(*seconds: float, clusters: tuple[str, ...] = ("east",)) -> World:
    """Clusters with faults that end in this many seconds, and no applier running."""
    world = World(entry("bank"), clusters=clusters)
    async with world.driven():
        for number, each in enumerate(seconds):
            world.set(fault(world, each, f"f{number}", ports=(80 + number,)))
        for id_ in clusters:
            await world.applied(id_)
    return world


@asynccontextmanager
async def attending(world: World, *clusters: str) -> AsyncIterator[None]:
    """An applier without a store that knows these clusters."""
    task = asyncio.create_task(StandbyApplier(world.targets, map(cluster, clusters), clock).run())
    yield
    task.cancel()
    await asyncio.wait({task})


@virtual_time
async def test_faults_end_on_time() -> None:
    """Each fault ends as recorded on the cluster, not before and not much after; the witness stays as it is."""
    world = await left_behind(60.0, 90.0)
    target = world.targets["east"]
    witness, writes = target.witness, len(target.writes)
    async with attending(world, "east"):
        await asyncio.sleep(59.5)
        assert faulted(target) == ["fault-default.f0", "fault-default.f1"]
        await asyncio.sleep(1)
        assert faulted(target) == ["fault-default.f1"]
        await asyncio.sleep(30)
        assert not faulted(target)
    assert target.objects
    assert (target.witness, len(target.writes)) == (witness, writes)
    assert target.closed


@virtual_time
async def test_what_ended_before_the_start() -> None:
    """A fault that ended while no applier was running is removed immediately."""
    world = await left_behind(10.0)
    await asyncio.sleep(100)
    assert faulted(world.targets["east"])
    async with attending(world, "east"):
        await asyncio.sleep(0.5)
        assert not faulted(world.targets["east"])


@virtual_time
async def test_clusters_on_their_own() -> None:
    """A cluster that can't be reached, and one that can't be opened, don't keep faults alive elsewhere; once they can,
    theirs go as well."""
    world = await left_behind(10.0, clusters=("east", "west"))
    world.targets["west"].failures = [OFF] * 10
    world.targets.failures = [PermanentError("CREDENTIALS_UNREADABLE", "another key")]
    async with attending(world, "east", "west"):
        await asyncio.sleep(12)
        assert not faulted(world.targets["east"])
        assert faulted(world.targets["west"])
        await asyncio.sleep(20)
        assert not faulted(world.targets["west"])


@virtual_time
async def test_failed_scan() -> None:
    """A failed scan does not end the scanning."""
    world = await left_behind(10.0)
    world.targets["east"].failures = [RuntimeError("a bug")]
    async with attending(world, "east"):
        await asyncio.sleep(12)
        assert not faulted(world.targets["east"])


@virtual_time
async def test_only_what_we_may_drive() -> None:
    """A cluster that this process may not reconcile is not touched."""
    world = await left_behind(10.0)
    world.targets.unmanaged.add("east")
    gathers = world.targets["east"].gathers
    async with attending(world, "east"):
        await asyncio.sleep(30)
    assert faulted(world.targets["east"])
    assert world.targets["east"].gathers == gathers


@virtual_time
async def test_store_may_be_reachable_for_others() -> None:
    """A fault that another applier puts there meanwhile is seen, and ends as well."""
    world = await left_behind()
    async with attending(world, "east"):
        await asyncio.sleep(1)
        async with world.driven():
            world.set(fault(world, 50.0))
            await world.applied()
        await asyncio.sleep(51)
        assert not faulted(world.targets["east"])
