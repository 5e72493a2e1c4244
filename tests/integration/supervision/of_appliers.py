"""Tasks of an applier and of its clusters, over a mesh of fakes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from egress_server.aio.supervisor import in_background
from egress_server.aio.tasks import Task
from egress_server.delivery.standby import StandbyApplier
from egress_server.domain.model.clusters import Cluster, RestartOrder
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.status import RestartState
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.target import Target, Targets
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job, failing, only
from tests.support.doubles.memory_target import MemoryTarget, MemoryTargets
from tests.support.meshes import BIRTH, cluster, entry, with_orders
from tests.support.waiting import until
from tests.unit.delivery.test_fault_ttl import fault as a_fault
from tests.unit.delivery.test_fault_ttl import faulted
from tests.unit.delivery.world import World, clock


class TargetsOf:
    """Targets of which one method of one cluster's target fails."""

    def __init__(self, inner: MemoryTargets, cluster_id: str, method: str, fault: Fault) -> None:
        self._inner = inner
        self._broken = cluster_id, method
        self._fault = fault

    def __getitem__(self, cluster_id: str) -> MemoryTarget:
        return self._inner[cluster_id]

    def drives(self, registered: Cluster) -> bool:
        """See the port."""
        return self._inner.drives(registered)

    async def open(self, registered: Cluster) -> Target:
        """See the port."""
        target = await self._inner.open(registered)
        id_, method = self._broken
        return failing(target, method, self._fault.strike) if registered.id == id_ else target

    async def forget(self, cluster_id: str) -> None:
        """See the port."""
        await self._inner.forget(cluster_id)


def a_world(*clusters: str) -> World:
    """Clusters with an entry, `east` and `west` by default."""
    return World(entry("bank"), clusters=clusters or ("east", "west"))


async def applied_on(world: World, cluster_id: str) -> None:
    """A change reaches a cluster."""
    name = f"e{world.replica.snapshot.revision}"
    world.set(entry(name))
    target = world.targets[cluster_id]
    await until(lambda: name in {key.name for key in target.objects})


@SCENARIOS.add(Task.APPLIER)
async def applier(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """It determines its clusters whenever desired state changes."""
    world = a_world()
    world.targets = failing(world.targets, "drives", fault.strike)

    async def works() -> None:
        await applied_on(world, "east")

    async def provoke() -> None:
        world.set(entry("shop"))

    async with AsyncExitStack() as stack:
        in_background(stack, Task.APPLIER, lambda: world.applier().run())
        await world.applied("east")
        yield Job(works, provoke)


@SCENARIOS.add(Task.STATUS_WRITER)
async def status_writer(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Changes reach the clusters all the same, and the last status is written in the end."""
    world = a_world()
    world.store = failing(world.store, "put_status", fault.strike)

    async def works() -> None:
        world.set(entry(f"e{world.replica.snapshot.revision}"))
        await world.applied("east")
        await world.applied("west")

    async def provoke() -> None:
        world.set(entry("shop"))

    async with world.driven():
        await world.applied("east")
        yield Job(works, provoke, lambda: applied_on(world, "west"))


@SCENARIOS.add(Task.STORE_CLOCK)
async def store_clock(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Between replies time passes by the monotonic clock."""
    world = a_world()
    world.store = failing(world.store, "now", fault.strike)
    async with world.driven():
        await world.applied("east")
        await world.applied("west")
        yield Job(fault.next_pass, rest=lambda: applied_on(world, "east"))


@SCENARIOS.add(Task.FAULT_EXPIRER)
async def fault_expirer(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A fault ends on the clusters on time, and in desired state as soon as it can be written."""
    world = a_world()
    world.store = failing(world.store, "commit", fault.strike)

    async def works() -> None:
        await until(lambda: not world.replica.snapshot.of_kind(ResourceKind.FAULT))

    async def provoke() -> None:
        world.set(a_fault(world, 1.0))

    async def rest() -> None:
        await until(lambda: not faulted(world.targets["east"]))
        await applied_on(world, "east")

    async with world.driven():
        await world.applied("east")
        yield Job(works, provoke, rest)


@SCENARIOS.add(Task.CLUSTER_CONTROLLER)
async def cluster_controller(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A removed cluster is forgotten, if only later."""
    world, plain = a_world(), MemoryTargets()
    world.targets = failing(plain, "forget", fault.strike)

    async def works() -> None:
        await until(lambda: "east" in plain.forgotten)

    async def provoke() -> None:
        world.delete(cluster("east"))

    async with world.driven():
        await world.applied("east")
        yield Job(works, provoke, lambda: applied_on(world, "west"))


@SCENARIOS.add(Task.RECONCILER)
async def reconciler(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A cluster whose lease can't be acquired does not delay the others."""
    world = a_world()
    world.store = failing(world.store, "acquire", only(fault, "south"))

    async def provoke() -> None:
        world.set(cluster("south"))

    async with world.driven():
        await world.applied("east")
        yield Job(lambda: applied_on(world, "south"), provoke, lambda: applied_on(world, "west"))


@SCENARIOS.add(Task.LEASE_KEEPER)
async def lease_keeper(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A renewal that fails once does not lose the lease."""
    world = a_world()
    world.store = failing(world.store, "acquire", only(fault, "east"))

    async def works() -> None:
        await asyncio.sleep(30)
        await applied_on(world, "east")
        assert fault.times[1:] or world.status().fence == 1

    async with world.driven():
        await world.applied("east")
        await world.applied("west")
        yield Job(works, rest=lambda: applied_on(world, "west"))


@SCENARIOS.add(Task.FAULT_TTL)
async def fault_ttl(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """The fault on the other cluster ends on time."""
    world = a_world()
    world.targets = TargetsOf(world.targets, "east", "strip_ended", fault)  # type: ignore[assignment]

    async def provoke() -> None:
        world.set(a_fault(world, 1.0))
        await world.applied("east")
        await asyncio.sleep(1)

    async def gone_from(cluster_id: str) -> None:
        await until(lambda: not faulted(world.targets[cluster_id]))

    async with world.driven():
        await world.applied("east")
        yield Job(lambda: gone_from("east"), provoke, lambda: gone_from("west"))


@SCENARIOS.add(Task.CLUSTER_WATCH)
async def cluster_watch(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Drift is then found at the resync, and immediately once the watch is back."""
    world = a_world()
    world.targets["south"].watchable = True
    world.targets = TargetsOf(world.targets, "south", "changes", fault)  # type: ignore[assignment]

    async def works() -> None:
        target = world.targets["south"]
        await fault.next_pass() if fault.times[1:] else None
        writes = len(target.writes)
        target.cluster.change("bank", {"hosts": ["evil.example.com"]})
        async with asyncio.timeout(2):
            await until(lambda: len(target.writes) > writes)

    async def provoke() -> None:
        world.set(cluster("south"))
        await world.applied("south")

    async with world.driven():
        yield Job(works, provoke, lambda: applied_on(world, "south"))


@SCENARIOS.add(Task.VERIFIER)
async def verifier(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Changes are applied, and their status reports that they can't be verified."""
    world = a_world()
    world.agents.attach()
    world.agents = failing(world.agents, "attempt", fault.strike)

    async def works() -> None:
        await world.verified("east")
        assert "INTERNAL" not in {problem.reason for problem in (world.status().unverified or {}).values()}

    async def provoke() -> None:
        world.set(entry("shop"))

    async def rest() -> None:
        await applied_on(world, "east")
        await until(lambda: bool(world.status().unverified))
        (problem,) = (world.status().unverified or {}).values()
        assert (problem.reason, "secret" in problem.message) == ("INTERNAL", False)

    async with world.driven():
        await world.verified("east")
        yield Job(works, provoke, rest)


@SCENARIOS.add(Task.INVENTORY_WRITER)
async def inventory_writer(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """No reconcile waits for an inventory."""
    world = a_world()
    world.store = failing(world.store, "put_inventory", fault.strike)
    target = world.targets["east"]
    target.watchable, target.inventory = True, Inventory("east", BIRTH)

    async def works() -> None:
        await until(lambda: world.replica.inventories["east"].namespaces == ("new",))

    async def provoke() -> None:
        target.inventory = Inventory("east", BIRTH, namespaces=("new",))
        target.cluster.notify()

    async with world.driven():
        await until(lambda: "east" in world.replica.inventories)
        yield Job(works, provoke, lambda: applied_on(world, "east"))


class OddWorkload:
    """A workload that the code does not expect."""

    kind, namespace, name = "Deployment", "default", "web"

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    @property
    def restartable(self) -> bool:
        """Whether it is restarted can't always be determined."""
        self._fault.strike()
        return True


@SCENARIOS.add(Task.RESTARTS)
async def restarts(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A restart request is executed once that is possible."""
    world = a_world()
    odd: Any = OddWorkload(fault)
    world.targets["east"].inventory = Inventory("east", BIRTH, stale_workloads=(odd,))

    async def works() -> None:
        await until(lambda: (p := world.status().restart) is not None and p.state is RestartState.DONE)
        assert [name for _, name in world.targets["east"].restarts] == ["Deployment/default/web"]

    async def provoke() -> None:
        world.set(with_orders(cluster("east"), restart=RestartOrder("o1", ())))

    async with world.driven():
        await world.applied("east")
        yield Job(works, provoke, lambda: applied_on(world, "east"))


@SCENARIOS.add(Task.STANDBY)
async def standby(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Faults end on the other clusters, and on this one once it can be opened."""
    world = a_world()
    async with world.driven():
        world.set(a_fault(world, 30.0))
        await world.applied("east")
        await world.applied("west")
    targets: Targets = failing(world.targets, "open", only(fault, cluster("east")))

    async def gone_from(cluster_id: str) -> None:
        await until(lambda: not faulted(world.targets[cluster_id]))

    known = [cluster("east"), cluster("west")]
    async with AsyncExitStack() as stack:
        in_background(stack, Task.STANDBY, lambda: StandbyApplier(targets, known, clock).run())
        yield Job(lambda: gone_from("east"), rest=lambda: gone_from("west"))
