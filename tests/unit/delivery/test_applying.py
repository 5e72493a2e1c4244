"""Desired state reaches the clusters: immediately, in one batch, and each cluster independently."""

import asyncio
from itertools import pairwise

from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.resources import ConnectionLimits, TrafficSettings
from egress_server.domain.model.status import Phase
from tests.support.doubles.memory_target import loop_time
from tests.support.meshes import cluster, entry, policy
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World


@virtual_time
async def test_first_cycle_brings_all() -> None:
    """A new cluster gets every object, and a witness with the store, the revision and the lease."""
    world = World(policy("REGISTRY_ONLY"), entry("bank"))
    async with world.driven():
        await world.applied()
    (write,) = world.targets["east"].writes
    assert write.upsert == ("egress-all", "bank")
    witness = write.witness
    assert (witness.epoch, witness.revision, witness.digest, witness.fence) == ("epoch-1", 4, "d4", 1)
    status = world.status()
    assert (status.phase, status.applied_revision, status.fence, status.problem) == (Phase.SETTLED, 4, 1, None)
    assert status.apply_time is not None


@virtual_time
async def test_older_entries_come_first() -> None:
    """Entries are applied from the oldest, whatever their names, since of two for one host the older wins."""
    world = World(entry("zebra"), entry("ape"), entry("zebra", hosts=("z.example.com",)))
    async with world.driven():
        await world.applied()
    assert world.targets["east"].writes[0].upsert == ("zebra", "ape")


@virtual_time
async def test_change_is_applied_at_once() -> None:
    """A single change does not wait for anything."""
    world = World()
    async with world.driven():
        await world.applied()
        await asyncio.sleep(5)
        began = loop_time()
        world.set(entry("bank"))
        await world.applied()
    assert world.targets["east"].writes[-1].at - began < 0.05


@virtual_time
async def test_burst_is_coalesced() -> None:
    """Everything committed during an apply goes out in one more."""
    world = World()
    world.targets["east"].seconds = 0.3
    async with world.driven():
        await world.until(lambda: world.targets["east"].busy)
        for number in range(100):
            world.set(entry("bank", hosts=(f"h{number}.example.com",)))
            await asyncio.sleep(0.001)
        await world.applied()
    first, last = world.targets["east"].writes
    assert (first.witness.revision, last.witness.revision) == (2, 102)
    assert last.upsert == ("bank",)


@virtual_time
async def test_a_thousand_updates_in_a_second() -> None:
    """A stream of changes is applied at a steady pace, and the last one wins."""
    world = World()
    async with world.driven():
        await world.applied()
        before = len(world.targets["east"].writes)
        for number in range(1000):
            world.set(entry("bank", hosts=(f"h{number}.example.com",)))
            await asyncio.sleep(0.001)
        await world.applied()
        assert len(world.targets["east"].writes) - before <= 12
        (held,) = world.targets["east"].objects.values()
        assert held["spec"]["hosts"] == ["h999.example.com"]


@virtual_time
async def test_clusters_go_side_by_side() -> None:
    """A slow cluster does not delay the others; each has one request at a time, which the fake verifies."""
    world = World(entry("bank"), clusters=("east", "west"))
    world.targets["east"].seconds = 20.0
    async with world.driven():
        began = loop_time()
        await world.applied("west")
        assert loop_time() - began < 1.0
        assert world.status("east").applied_revision == 0


@virtual_time
async def test_concurrency_is_bounded() -> None:
    """At most as many clusters are reconciled concurrently as the settings allow."""
    names = tuple(f"c{number}" for number in range(6))
    world = World(entry("bank"), clusters=names)
    for name in names:
        world.targets[name].seconds = 1.0
    most = 0
    async with world.driven(DeliverySettings(concurrency=2)):
        while any(world.status(name).applied_revision == 0 for name in names):
            most = max(most, sum(world.targets[name].busy for name in names))
            await asyncio.sleep(0.01)
    assert most == 2


@virtual_time
async def test_what_does_not_concern_a_cluster_moves_only_its_witness() -> None:
    """For a revision that changes nothing on a cluster, only its witness is written."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.set(cluster("west"))
        await world.applied()
    last = world.targets["east"].writes[-1]
    assert (last.upsert, last.delete, last.witness.revision) == ((), (), 4)


@virtual_time
async def test_deletion() -> None:
    """Deleted resources are removed from the clusters."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.delete(entry("bank"))
        await world.applied()
    assert world.targets["east"].writes[-1].delete == ("bank",)
    assert world.targets["east"].objects == {}


@virtual_time
async def test_resync_heals_drift_and_writes_nothing_else() -> None:
    """Now and then a cluster is compared although nothing changed: drift is corrected, and only that."""
    world = World(entry("bank"), entry("shop"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        await asyncio.sleep(130)
        assert (len(target.writes), target.gathers) == (1, 3)
        key = next(key for key in target.objects if key.name == "bank")
        target.objects[key] = target.objects[key] | {"spec": {"hosts": ["evil.example.com"]}}
        await world.until(lambda: len(target.writes) == 2, seconds=61)
    assert target.writes[-1].upsert == ("bank",)


@virtual_time
async def test_unsupported_is_left_out_and_said() -> None:
    """What a cluster can't serve is reported by resource, even if only the apply finds out; the rest is applied."""
    bank, shop = entry("bank"), entry("shop")
    world = World(bank, shop, entry("news"))
    world.targets["east"].unsupported = {bank.name: "no such resolution here"}
    world.targets["east"].rejects = {shop.name: "refused"}
    async with world.driven():
        await world.applied()
    assert world.targets["east"].writes[0].upsert == ("shop", "news")
    problems = world.status().obstacles
    assert problems is not None
    assert {name: (p.reason, p.message) for name, p in problems.items()} == {
        bank.name: ("UNSUPPORTED", "no such resolution here"),
        shop.name: ("UNSUPPORTED", "refused"),
    }


@virtual_time
async def test_what_is_held_of_a_resource_is_said() -> None:
    """If only some of its objects were rejected."""
    bank = entry("bank", traffic=TrafficSettings(timeout=1.0, connection_limits=ConnectionLimits(7)))
    world = World(bank)
    target = world.targets["east"]
    target.rejects, target.rejects_kind = {bank.name: "refused"}, "VirtualService"
    async with world.driven():
        await world.applied()
    problems = world.status().obstacles
    assert problems is not None
    assert problems[bank.name].held == ("DestinationRule", "ServiceEntry")


@virtual_time
async def test_slow_apply_shows_as_applying() -> None:
    """An apply that takes a while is announced; a quick one is over before the status is written."""
    world = World(entry("bank"), clusters=("east", "west"))
    world.targets["west"].seconds = 3.0
    async with world.driven():
        await world.until(lambda: world.status("west").phase is Phase.APPLYING)
        await world.applied("west")
    phases = [status.phase for _, batch in world.store.records for status in batch if status.cluster == "east"]
    assert phases == [Phase.SETTLED]


@virtual_time
async def test_records_of_one_tick_are_written_together() -> None:
    """Clusters that settle together cost one write to the store."""
    names = tuple(f"c{number}" for number in range(20))
    world = World(entry("bank"), clusters=names)
    async with world.driven():
        for name in names:
            await world.applied(name)
    assert [len(batch) for _, batch in world.store.records] == [20]


@virtual_time
async def test_heartbeat() -> None:
    """A quiet cluster's record is written every 15 s, to show that an applier is running."""
    world = World()
    async with world.driven():
        await world.applied()
        await asyncio.sleep(58)
    times = [at for at, _ in world.store.records]
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [15, 15, 15]


@virtual_time
async def test_cluster_that_comes_later() -> None:
    """A cluster is reconciled as soon as it is registered."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.set(cluster("west"))
        await world.applied("west")
    assert world.targets["west"].writes[0].upsert == ("bank",)


@virtual_time
async def test_cluster_removed_and_registered_again() -> None:
    """A deregistered cluster is released; one that returns meanwhile never has two controllers."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.seconds = 2.0
        world.set(entry("shop"))
        await world.until(lambda: target.busy)
        world.delete(cluster("east"))
        await asyncio.sleep(0.1)
        revision = world.set(cluster("east"))
        await world.until(lambda: target.witness is not None and target.witness.revision == revision)
        world.delete(cluster("east"))
        await world.until(lambda: world.store.owner("east") is None)
        writes = len(target.writes)
        world.delete(entry("shop"))
        await asyncio.sleep(130)
    assert len(target.writes) == writes
    assert target.closed


@virtual_time
async def test_stop_lets_a_cycle_finish() -> None:
    """Shutdown waits for the reconcile in flight, writes its status and releases the lease."""
    world = World(entry("bank"))
    world.targets["east"].seconds = 2.0
    async with world.driven():
        await world.until(lambda: world.targets["east"].busy)
    assert world.status().applied_revision == 3
    assert world.store.owner("east") is None
    assert world.targets["east"].closed


@virtual_time
async def test_stop_does_not_wait_for_ever() -> None:
    """A reconcile that hangs is cancelled after the grace period; the lease is released nevertheless."""
    world = World(entry("bank"))
    world.targets["east"].seconds = 3600.0
    async with world.driven():
        await world.until(lambda: world.targets["east"].busy)
        began = loop_time()
    assert loop_time() - began < 6
    assert world.targets["east"].writes == []
    assert world.store.owner("east") is None
