"""A store that was lost or restored can't change a cluster that was managed by a newer state."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.delivery.reconcile.guards import witness_token
from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.status import MASS_DELETION, Phase
from egress_server.ports.target import Witness
from tests.support.meshes import cluster, entry, policy, with_orders
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

KUBERNETES = replace(cluster("east"), target=KubernetesTarget())


def driven_before(*, revision: int = 4, epoch: str = "epoch-1", digest: str = "d4") -> World:
    """A mesh at revision 4 whose cluster has objects, and this witness."""
    world = World(policy("REGISTRY_ONLY"), entry("bank"))
    world.targets["east"].cluster.witness = Witness(epoch, revision, digest, fence=0)
    return world


@virtual_time
@pytest.mark.parametrize(
    ("witness", "words"),
    [
        ({"epoch": "epoch-0"}, "by a different store (epoch epoch-0, revision 4; this one has epoch epoch-1)"),
        ({"revision": 9, "digest": "d9"}, "at revision 9, but this store ends at revision 5"),
        ({"digest": "other"}, "at revision 4, but this store has a different change"),
    ],
)
async def test_rewound_store_is_held(witness: dict[str, str], words: str) -> None:
    """Another epoch, a lower revision, another change at the same one: the cluster is held and nothing changes."""
    world = driven_before(**witness)  # type: ignore[arg-type]
    target = world.targets["east"]
    async with world.driven():
        await asyncio.sleep(200)
        world.set(entry("shop"))
        await asyncio.sleep(200)
    assert target.writes == []
    status = world.status()
    assert (status.phase, status.applied_revision) == (Phase.HELD, 0)
    assert status.problem is not None
    assert status.problem.reason == "STORE_REWOUND"
    assert words in status.problem.message
    assert "egressctl cluster accept-store-reset east" in status.problem.message
    assert target.witness is not None
    assert status.problem.token == witness_token(target.witness)
    assert status.problem.retry_time is None


@virtual_time
async def test_empty_store_deletes_nothing() -> None:
    """A new store meets a cluster with many objects: they stay."""
    full = World(policy("REGISTRY_ONLY"), entry("bank"))
    async with full.driven():
        await full.applied()
    world = World()
    world.replica.snapshot.epoch = "epoch-2"
    world.targets.move("east", full.targets["east"].cluster)
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        await asyncio.sleep(200)
    assert len(world.targets["east"].objects) == 2
    assert world.targets["east"].writes == []


@virtual_time
async def test_held_until_the_data_is_back() -> None:
    """When the right store is back, the cluster is reconciled at the next resync."""
    world = driven_before(revision=6, digest="d6")
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        world.set(entry("shop"))
        world.set(entry("news"))
        await world.applied(seconds=61)
    assert world.status().problem is None


@virtual_time
@pytest.mark.parametrize("witness", [{"epoch": "epoch-0"}, {"revision": 9, "digest": "d9"}, {"digest": "other"}])
async def test_accepted_store_takes_over(witness: dict[str, str]) -> None:
    """Once this store is accepted it manages the cluster, whichever store managed it before and however recently."""
    world = driven_before(**witness)  # type: ignore[arg-type]
    target = world.targets["east"]
    assert target.witness is not None
    target.cluster.witness = replace(target.witness, fence=99)
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        problem = world.status().problem
        assert problem is not None
        world.set(with_orders(cluster("east"), accepted=problem.token))
        await world.applied()
        assert {key.name for key in target.objects} == {"egress-all", "bank"}
        world.set(entry("shop"))
        await world.applied()
    assert (target.witness.epoch, target.witness.fence) == ("epoch-1", 1)
    assert world.status().drift == ()


@virtual_time
async def test_an_acceptance_is_for_one_witness() -> None:
    """An approval for one store is not valid for the next."""
    world = driven_before(epoch="epoch-0")
    target = world.targets["east"]
    assert target.witness is not None
    world.set(with_orders(cluster("east"), accepted=witness_token(replace(target.witness, revision=3))))
    async with world.driven():
        await asyncio.sleep(100)
    assert world.status().phase is Phase.HELD
    assert target.writes == []


@virtual_time
async def test_an_empty_store_that_is_accepted_deletes_with_approval_only() -> None:
    """Accepting a store that is empty does not approve that everything is deleted."""
    full = World(*(entry(f"e{number}") for number in range(9)))
    async with full.driven():
        await full.applied()
    world = World()
    world.replica.snapshot.epoch = "epoch-2"
    target = world.targets.move("east", full.targets["east"].cluster)
    assert target.witness is not None
    world.set(with_orders(KUBERNETES, accepted=witness_token(target.witness)))
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.HELD)
        problem = world.status().problem
        assert problem is not None
        assert problem.reason == MASS_DELETION
        assert len(target.objects) == 9


@virtual_time
async def test_process_that_lags_is_not_a_rewound_store() -> None:
    """A process that has not yet received the newest state waits for it instead of holding the cluster."""
    world = driven_before(revision=5, digest="d5")
    world.store.revision = 5
    async with world.driven():
        await asyncio.sleep(0.5)
        assert world.targets["east"].writes == []
        assert world.store.records == []
        world.set(entry("shop"))
        await world.applied()


@virtual_time
async def test_process_that_lags_for_long_is_reported() -> None:
    """A process whose replica is behind reports it, and tries again."""
    world = driven_before(revision=5, digest="d5")
    world.store.revision = 5
    async with world.driven():
        await asyncio.sleep(6)
        problem = world.status().problem
        assert problem is not None
        assert problem.reason == "REPLICA_BEHIND"
        world.set(entry("shop"))
        await world.applied()


@virtual_time
async def test_revision_past_retention() -> None:
    """A cluster that was unreachable for longer than history is kept is reconciled as usual."""
    world = driven_before(revision=2, digest="d2")
    world.store.digests[2] = None
    async with world.driven():
        await world.applied()


@virtual_time
async def test_store_that_does_not_know_our_revision() -> None:
    """Without the digest of the revision nothing is applied: the witness could not be written."""
    world = World(entry("bank"))
    world.store.digests[3] = None
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.FAILED)
        assert world.targets["east"].writes == []
        del world.store.digests[3]
        await world.applied()
