"""Under REPORT drift is reported and left as it is, until desired state changes."""

import asyncio
from dataclasses import replace

from egress_server.domain.model.rollout import RolloutState, change_rollout, cluster_rollout
from egress_server.domain.model.status import DriftKind
from tests.support.meshes import MESH, cluster, entry, policy
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.drift.support import BANK, EVIL, LEFT, SHOP, counted, hosts, reported, watched_world


@virtual_time
async def test_drift_is_left_if_the_mesh_has_report() -> None:
    """Under REPORT drift stays, is shown as such, and every other change goes out."""
    world, target = watched_world(LEFT, policy("REGISTRY_ONLY"), BANK, SHOP)
    world.agents.attach()
    async with world.driven():
        await world.verified()
        writes = len(target.writes)
        target.cluster.change("bank", EVIL)
        await world.until(lambda: bool(world.status().disagreements), seconds=20)
        assert reported(world) == [("bank", "CHANGED", False)]
        assert len(target.writes) == writes
        world.set(entry("shop", hosts=("other.example.com",)))
        await world.applied()
        await asyncio.sleep(121)
    assert (hosts(target, "bank"), hosts(target, "shop")) == (["evil.example.com"], ["other.example.com"])
    assert reported(world) == [("bank", "CHANGED", False)]
    state = change_rollout(cluster("east"), world.status(), revision=5, resource=BANK.name, last_revision=5)
    assert state.state is RolloutState.DISAGREES


@virtual_time
async def test_what_is_left_is_never_verified() -> None:
    """Without a probe that disagrees, a drifted object is APPLIED with who changed it, and so is its cluster."""
    world, target = watched_world(LEFT, BANK)
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", EVIL, by="helm")
        await world.until(lambda: bool(world.status().drift), seconds=1)
    verified = replace(world.status(), verified_revision=99, unverified=None)
    found = change_rollout(cluster("east"), verified, revision=4, resource=BANK.name, last_revision=4)
    assert found.problem is not None
    assert (found.state, found.problem.reason) == (RolloutState.APPLIED, "DRIFTED")
    assert found.problem.message == "ServiceEntry default/bank was changed by helm and has not been corrected"
    assert cluster_rollout(cluster("east"), verified) == found
    other = change_rollout(cluster("east"), verified, revision=4, resource=SHOP.name, last_revision=4)
    assert other.state is RolloutState.VERIFIED


@virtual_time
async def test_wanting_something_else_overrules() -> None:
    """A drifted object that was left alone gets its own newer desired state, or is deleted with it."""
    world, target = watched_world(LEFT, BANK, SHOP)
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", EVIL)
        target.cluster.change("shop", EVIL)
        await world.until(lambda: len(world.status().drift) == 2, seconds=1)
        world.set(entry("bank", hosts=("other.example.com",)))
        world.delete(SHOP)
        await world.applied()
    assert hosts(target, "bank") == ["other.example.com"]
    assert {key.name for key in target.objects} == {"bank"}
    assert sorted(reported(world)) == [("bank", "CHANGED", True), ("shop", "CHANGED", True)]


@virtual_time
async def test_changed_to_what_is_wanted() -> None:
    """If another client applied the newest desired state first, it is not drift."""
    world, target = watched_world(BANK)
    target.debounce = 5.0
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", {"hosts": ["other.example.com"]})
        world.set(entry("bank", hosts=("other.example.com",)))
        await world.applied()
    assert world.status().drift == ()


@virtual_time
async def test_reverted_by_another_client() -> None:
    """Drift that another client reverts counts as corrected, is counted once, and probed again."""
    world, target = watched_world(LEFT, policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    before = counted(DriftKind.CHANGED)
    async with world.driven():
        await world.verified()
        target.cluster.change("bank", EVIL)
        await world.until(lambda: bool(world.status().disagreements), seconds=20)
        await asyncio.sleep(5)
        target.cluster.change("bank", {"hosts": ["bank.example.com"]})
        await world.until(lambda: reported(world) == [("bank", "CHANGED", True)], seconds=1)
        await world.until(lambda: not world.status().disagreements, seconds=1)
    assert counted(DriftKind.CHANGED) - before == 1


@virtual_time
async def test_a_mesh_that_wants_it_healed_after_all() -> None:
    """Drift that was only reported is corrected as soon as the mesh requires it."""
    world, target = watched_world(LEFT, BANK)
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", None)
        await world.until(lambda: reported(world) == [("bank", "MISSING", False)], seconds=1)
        world.set(MESH)
        await world.applied()
    assert reported(world) == [("bank", "MISSING", True)]
    assert {key.name for key in target.objects} == {"bank"}


@virtual_time
async def test_drift_that_turns_into_another() -> None:
    """An object that was changed and left, and then deleted, is reported as deleted."""
    world, target = watched_world(LEFT, BANK)
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", EVIL)
        await world.until(lambda: reported(world) == [("bank", "CHANGED", False)], seconds=1)
        target.cluster.change("bank", None)
        await world.until(lambda: reported(world) == [("bank", "MISSING", False)], seconds=1)
