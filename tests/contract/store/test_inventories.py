"""The inventories of clusters (unmanaged objects), in every process."""

from dataclasses import replace
from datetime import UTC, datetime

from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.store import Replica
from tests.contract.benches import StoreBench
from tests.support.waiting import until

EAST = Inventory("east", datetime(2026, 1, 1, tzinfo=UTC), namespaces=("default",), left_out={"services": 2})
WEST = replace(EAST, cluster="west", namespaces=())


async def hears(replica: Replica, *inventories: Inventory) -> None:
    """Waits until a process knows exactly these."""
    await until(lambda: replica.inventories == {each.cluster: each for each in inventories})


async def test_newest_wins_and_dropped_goes(bench: StoreBench, other: Replica) -> None:
    """Every process sees each record, the next one, and its removal; the records of clusters are independent of it."""
    await bench.store.put_inventory(bench.mesh, EAST)
    await bench.store.put_inventory(bench.mesh, WEST)
    await bench.store.put_status(bench.mesh, [ClusterStatus("east", Phase.SETTLED, 4)])
    for replica in (bench.replica, other):
        await hears(replica, EAST, WEST)
        assert set(replica.statuses) == {"east"}
    newer = replace(EAST, namespaces=("default", "shop"))
    await bench.store.put_inventory(bench.mesh, newer)
    await bench.store.drop_inventory(bench.mesh, "west")
    await bench.store.drop_inventory(bench.mesh, "unknown")
    for replica in (bench.replica, other):
        await hears(replica, newer)
        assert set(replica.statuses) == {"east"}


async def test_a_late_start(bench: StoreBench) -> None:
    """A process that starts later knows the inventories that were not removed."""
    await bench.store.put_inventory(bench.mesh, EAST)
    await bench.store.put_inventory(bench.mesh, WEST)
    await bench.store.drop_inventory(bench.mesh, "west")
    late = await bench.another_replica()
    assert late.inventories == {"east": EAST}
    assert late.status_number == 3
