"""Faults end on time, first on the clusters and then in the history, whatever is unreachable."""

import asyncio
from dataclasses import replace

from egress_server.delivery.faults.expirer import ACTOR
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import DirectoryTarget
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Abort, Fault
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.model.status import Phase
from egress_server.ports.target import UNREACHABLE
from tests.support.doubles.memory_target import MemoryTarget, loop_time
from tests.support.meshes import entry, policy
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

BANK = entry("bank")
OFF = TransientError(UNREACHABLE, "no route")


def fault(world: World, seconds: float, id_: str = "slow", **fields: object) -> Fault:
    """A fault on the bank that ends `seconds` from now, if it is set next."""
    set_at = world.replica.snapshot.revision + 1
    name = f"meshes/default/namespaces/default/faults/{id_}"
    made = Fault(name, "bank.example.com", ttl=loop_time() + seconds - set_at, abort=Abort(503))
    return replace(made, **fields)  # type: ignore[arg-type]


def faulted(target: MemoryTarget) -> list[str]:
    """The fault routes that a cluster holds."""
    services = [obj for key, obj in target.objects.items() if key.kind == "VirtualService"]
    return [route["name"] for service in services for route in service["spec"]["http"] if "fault" in route]


def expired(world: World) -> bool:
    """Whether no fault is left in desired state."""
    return not world.replica.snapshot.of_kind(ResourceKind.FAULT)


@virtual_time
async def test_ends_on_time() -> None:
    """A fault ends when its ttl does, not before; then its resource is deleted by an EXPIRE change."""
    world = World(BANK)
    async with world.driven():
        await world.applied()
        slow = fault(world, 3.0)
        began = loop_time()
        revision = world.set(slow)
        await world.applied()
        assert faulted(world.targets["east"]) == ["fault-default.slow=fallback"]
        await asyncio.sleep(began + 2.98 - loop_time())
        assert faulted(world.targets["east"]) == ["fault-default.slow=fallback"]
        await world.until(lambda: not faulted(world.targets["east"]), seconds=0.1)
        await world.until(lambda: expired(world), seconds=0.3)
        await world.applied()
    (commit,) = world.store.commits.values()
    assert (commit.record.type, commit.record.resource, commit.record.actor) == (ChangeType.EXPIRE, slow.name, ACTOR)
    assert commit.request.request_id == f"{slow.name}@{revision}"


@virtual_time
async def test_store_unreachable_when_the_fault_ends() -> None:
    """Without the store, and so without a lease, the fault still ends; history follows when the store is back."""
    world = World(BANK)
    async with world.driven():
        world.set(fault(world, 60.0))
        world.set(fault(world, 90.0, "slower", ports=(80,)))
        await world.applied()
        world.store.down = True
        await asyncio.sleep(61)
        assert world.store.owner("east") is None
        assert faulted(world.targets["east"]) == ["fault-default.slower"]
        await asyncio.sleep(30)
        assert not faulted(world.targets["east"])
        world.store.down = False
        await world.until(lambda: expired(world), seconds=5)
    assert len(world.store.commits) == 2


@virtual_time
async def test_store_unreachable_and_applier_gone() -> None:
    """The applier that managed the cluster dies and the store goes down: another one that only stood by ends the
    fault."""
    world = World(BANK)
    async with world.driven():
        end = loop_time() + 60.0
        world.set(fault(world, 60.0))
        await world.applied()
        standby = asyncio.create_task(world.applier(owner="standby").run())
        await asyncio.sleep(1)
        assert world.store.owner("east") == "us"
        world.store.down = True
    await world.until(lambda: not faulted(world.targets["east"]), seconds=70)
    assert -0.1 < loop_time() - end < 0.1
    standby.cancel()
    await asyncio.wait({standby})


@virtual_time
async def test_applier_down_when_the_fault_ends() -> None:
    """A fault that ends while no applier is running is removed by the first reconcile."""
    world = World(BANK)
    async with world.driven():
        world.set(fault(world, 20.0))
        await world.applied()
    await asyncio.sleep(30)
    assert faulted(world.targets["east"])
    async with world.driven():
        await world.until(lambda: not faulted(world.targets["east"]))
        await world.until(lambda: expired(world), seconds=0.2)


@virtual_time
async def test_an_ended_fault_does_not_come_back() -> None:
    """A change that is applied after the end, while the fault is still in desired state, does not bring it back."""
    world = World(BANK, clusters=("east", "west"))
    world.targets["west"].apply_failures = [TransientError("SLOW", "not now")] * 100
    async with world.driven():
        world.set(fault(world, 5.0))
        await asyncio.sleep(6)
        world.set(policy("REGISTRY_ONLY"))
        await world.applied("east")
        assert not faulted(world.targets["east"])
        assert not expired(world)


@virtual_time
async def test_clusters_come_first() -> None:
    """Desired state keeps the fault while a cluster that could do it has not removed it, but not forever."""
    world = World(BANK, clusters=("east", "west"))
    async with world.driven():
        world.set(fault(world, 10.0))
        await world.applied("west")
        world.targets["west"].apply_failures = [TransientError("SLOW", "not now")] * 100
        await asyncio.sleep(20)
        assert not faulted(world.targets["east"])
        assert not expired(world)
        await asyncio.sleep(21)
        assert expired(world)


@virtual_time
async def test_offline_clusters_are_not_waited_for() -> None:
    """A cluster that can't be reached does not keep a fault in desired state, and gets none when it is back."""
    world = World(BANK, clusters=("east", "west"))
    async with world.driven():
        world.set(fault(world, 10.0))
        await world.applied("west")
        world.targets["west"].failures = [OFF] * 10
        world.set(policy("REGISTRY_ONLY"))
        await world.until(lambda: world.status("west").phase is Phase.OFFLINE)
        await asyncio.sleep(10.5)
        assert expired(world)
        await world.applied("west", seconds=120)
        assert not faulted(world.targets["west"])


@virtual_time
async def test_other_clusters_do_not_count() -> None:
    """Only clusters that the fault was for decide when it is over."""
    world = World(BANK, clusters=("east", "west"))
    world.targets["west"].apply_failures = [TransientError("SLOW", "not now")] * 100
    async with world.driven():
        world.set(fault(world, 5.0, cluster_selector=ClusterSelector(("east",))))
        await asyncio.sleep(5.5)
        assert expired(world)


@virtual_time
async def test_a_renewed_fault_lives_on() -> None:
    """Setting a fault again before its end moves its end."""
    world = World(BANK)
    async with world.driven():
        world.set(fault(world, 5.0))
        await asyncio.sleep(4)
        world.set(fault(world, 5.0))
        await asyncio.sleep(4)
        assert faulted(world.targets["east"])
        await asyncio.sleep(1.5)
        assert not faulted(world.targets["east"])
        assert expired(world)


@virtual_time
async def test_two_appliers_expire_once() -> None:
    """Of several appliers only one expires a fault."""
    world = World(BANK)
    async with world.driven():
        other = asyncio.create_task(world.applier(owner="them").run())
        world.set(fault(world, 5.0))
        await asyncio.sleep(10)
        assert expired(world)
        other.cancel()
        await asyncio.wait({other})
    assert len(world.store.commits) == 1
    assert sum(commit.deletes for commit in world.store.commits.values()) == 1


@virtual_time
async def test_unreachable_at_the_end() -> None:
    """If the cluster refuses the removal, it is retried every second until the fault is gone."""
    world = World(BANK)
    async with world.driven():
        world.set(fault(world, 5.0))
        await world.applied()
        world.targets["east"].failures = [OFF] * 3
        await asyncio.sleep(9)
        assert not faulted(world.targets["east"])


@virtual_time
async def test_the_cluster_moves_with_its_registration() -> None:
    """A registration with another address releases the former cluster."""
    world = World(BANK)
    async with world.driven():
        await world.applied()
        cluster = world.replica.snapshot.cluster("east")
        assert cluster is not None
        world.set(replace(cluster, target=DirectoryTarget("elsewhere")))
        await world.applied()
        assert world.targets.forgotten == ["east"]
        assert not world.targets["east"].closed
    assert world.targets["east"].closed
