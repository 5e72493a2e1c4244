"""Changes by other clients are detected, reported and corrected; changes of desired state are not drift."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.rollout import change_rollout
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.model.status import Drift, DriftKind, Phase
from tests.support.meshes import MESH, cluster, entry, fault, policy
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.drift.support import BANK, EVIL, LEFT, SHOP, counted, hosts, reported, watched_world
from tests.unit.delivery.world import World, clock


@virtual_time
async def test_changed_is_corrected_and_reported() -> None:
    """A change by another client is reverted immediately; the status says what, of which resource, by whom and when."""
    world, target = watched_world(BANK, SHOP)
    before = counted(DriftKind.CHANGED)
    async with world.driven():
        await world.applied()
        await asyncio.sleep(5)
        began = clock()
        target.cluster.change("bank", EVIL, by="kubectl")
        await world.until(lambda: bool(world.status().drift), seconds=1)
    assert hosts(target, "bank") == ["bank.example.com"]
    (drift,) = world.status().drift
    assert drift == Drift(
        DriftKind.CHANGED,
        "ServiceEntry",
        "default",
        "bank",
        BANK.name,
        "kubectl",
        drift.seen_time,
        drift.heal_time,
    )
    assert drift.heal_time is not None
    assert began < drift.seen_time <= drift.heal_time < began + timedelta(seconds=0.2)
    assert counted(DriftKind.CHANGED) - before == 1


@virtual_time
async def test_missing_and_extra() -> None:
    """A deleted object is restored; a foreign one with our label is deleted."""
    world, target = watched_world(BANK, SHOP)
    async with world.driven():
        await world.applied()
        stranger = ObjectKey("ServiceEntry", "default", "stranger")
        (shop,) = (obj for key, obj in target.objects.items() if key.name == "shop")
        target.objects[stranger] = {**shop, "metadata": {**shop["metadata"], "name": "stranger"}}
        target.cluster.change("bank", None)
        await world.until(lambda: len(world.status().drift) == 2, seconds=1)
    assert {key.name for key in target.objects} == {"bank", "shop"}
    assert sorted(reported(world)) == [("bank", "MISSING", True), ("stranger", "EXTRA", True)]


@virtual_time
async def test_what_is_healed_is_probed() -> None:
    """A workload verifies that the correction has taken effect."""
    world, target = watched_world(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.agents.asked.clear()
        target.cluster.change("bank", EVIL)
        await world.until(lambda: len(world.agents.asked) >= 2, seconds=1)
    assert world.agents.urls[:2] == ["http://bank.example.com/", "https://bank.example.com/"]


@virtual_time
async def test_desired_state_is_not_drift() -> None:
    """What mesh-egress creates, changes and deletes itself is not drift, nor what a higher-ranked policy had
    displaced."""
    strong = policy("REGISTRY_ONLY", "strong", cluster_selector=ClusterSelector(("east",)))
    world = World(policy("ALLOW_ANY"), strong, BANK)
    async with world.driven():
        await world.applied()
        world.set(entry("bank", hosts=("other.example.com",)))
        world.delete(strong)
        await world.applied()
        world.delete(BANK)
        world.set(SHOP)
        await world.applied()
        await asyncio.sleep(61)
    assert {key.name for key in world.targets["east"].objects} == {"egress-all", "shop"}
    assert world.status().drift == ()


@virtual_time
async def test_the_end_of_a_fault_is_not_drift() -> None:
    """Neither its removal on time, nor the later removal of its object."""
    world = World(BANK)
    async with world.driven():
        await world.applied()
        world.set(fault("slow", ttl=1006.0))
        await world.applied()
        await asyncio.sleep(20)
    assert not [key for key in world.targets["east"].objects if key.kind == "VirtualService"]
    assert world.status().drift == ()


@virtual_time
async def test_an_obstacle_that_goes_is_not_drift() -> None:
    """What a cluster could not hold, by its own report or by a refusal, is not missing; it is applied when it can
    be."""
    world = World(BANK, SHOP, policy("REGISTRY_ONLY"))
    target = world.targets["east"]
    target.unsupported = {BANK.name: "not here"}
    target.rejects = {SHOP.name: "refused"}
    async with world.driven():
        await world.applied()
        target.unsupported = {}
        target.rejects = {}
        await asyncio.sleep(61)
    assert {key.name for key in target.objects} == {"egress-all", "bank", "shop"}
    assert world.status().drift == ()


@virtual_time
async def test_a_refused_change_is_not_drift() -> None:
    """What the cluster still holds because it refused the newer version is not drift."""
    world = World(BANK)
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.rejects = {BANK.name: "refused"}
        world.set(entry("bank", hosts=("other.example.com",)))
        await world.applied()
        await asyncio.sleep(121)
    assert hosts(target, "bank") == ["bank.example.com"]
    assert world.status().drift == ()


@virtual_time
async def test_a_refused_fault_is_not_drift() -> None:
    """An object that is absent because the cluster refused a fault is not missing, although an entry lends its name;
    and what another client removed from it meanwhile is not reported as healed."""
    world = World(BANK, fault("slow", ttl=2000.0))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.rejects = {fault("slow").name: "refused"}
        target.cluster.change("egress-bank.example.com", None)
        await asyncio.sleep(121)
        assert reported(world) == [("egress-bank.example.com", "MISSING", False)]
        assert world.status().drift[0].resource == fault("slow").name
        target.rejects = {}
        await asyncio.sleep(61)
    assert reported(world) == [("egress-bank.example.com", "MISSING", True)]


@virtual_time
async def test_a_refused_heal_stays_open() -> None:
    """Drift that the cluster does not allow to be corrected is not reported as corrected."""
    world, target = watched_world(BANK)
    async with world.driven():
        await world.applied()
        target.rejects = {BANK.name: "refused"}
        target.cluster.change("bank", EVIL)
        await world.until(lambda: bool(world.status().drift), seconds=1)
    assert reported(world) == [("bank", "CHANGED", False)]


@virtual_time
async def test_half_an_apply_is_not_drift() -> None:
    """A failed apply may have made any part of its changes: none of them is drift."""
    world = World(BANK, SHOP)
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.apply_failures = [TransientError("CONFLICT", "another client was faster")]
        world.set(entry("bank", hosts=("other.example.com",)))
        await world.until(lambda: not target.apply_failures)
        target.cluster.change("bank", {"hosts": ["half.example.com"]})
        await world.applied()
        await asyncio.sleep(61)
    assert hosts(target, "bank") == ["other.example.com"]
    assert world.status().drift == ()


@virtual_time
async def test_a_first_apply_finds_none() -> None:
    """A cluster without a witness was never reconciled: what is there is replaced without a report."""
    full = World(BANK, SHOP)
    async with full.driven():
        await full.applied()
    world = World(BANK)
    target = world.targets["east"]
    target.cluster.objects = dict(full.targets["east"].objects)
    target.cluster.change("bank", EVIL)
    async with world.driven():
        await world.applied()
    assert hosts(target, "bank") == ["bank.example.com"]
    assert {key.name for key in target.objects} == {"bank"}
    assert world.status().drift == ()


@virtual_time
async def test_a_draining_cluster_has_no_drift() -> None:
    """A drifted object is deleted with all others."""
    world = World(BANK)
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        target.cluster.change("bank", EVIL)
        world.set(replace(cluster("east"), draining=True))
        await world.applied()
    assert target.objects == {}
    assert world.status().drift == ()


@virtual_time
async def test_no_fight() -> None:
    """An object that is changed back after each correction is left alone for a while, and the status has that."""
    world, target = watched_world(BANK, SHOP)

    async def insist() -> None:
        while True:
            if hosts(target, "bank") != ["evil.example.com"]:
                target.cluster.change("bank", EVIL)
            await asyncio.sleep(0.01)

    async with world.driven():
        await world.applied()
        writes = len(target.writes)
        rival = asyncio.create_task(insist())
        await asyncio.sleep(50)
        assert len(target.writes) - writes == 5
        (drift,) = world.status().drift
        assert drift.heal_time is None
        assert drift.message.startswith("corrected 5 times within a minute and changed back each time")
        found = change_rollout(cluster("east"), world.status(), revision=3, resource=BANK.name, last_revision=3)
        assert found.problem is not None
        assert drift.message in found.problem.message
        world.set(entry("shop", hosts=("other.example.com",)))
        await world.applied()
        assert hosts(target, "shop") == ["other.example.com"]
        await asyncio.sleep(600)
        assert len(target.writes) - writes <= 60
        rival.cancel()
        await world.until(lambda: reported(world) == [("bank", "CHANGED", True)], seconds=121)
        assert world.status().drift[0].message == ""


@virtual_time
async def test_the_last_fifty() -> None:
    """A record names the last fifty objects, each once, newest first; uncorrected ones stay known beyond them."""
    entries = [entry(f"e{number:02}") for number in range(60)]
    world, target = watched_world(LEFT, *entries)
    before = counted(DriftKind.CHANGED)
    async with world.driven():
        await world.applied()
        for each in entries:
            target.cluster.change(each.name.rpartition("/")[2], EVIL)
            await asyncio.sleep(0.2)
        assert len(world.status().drift) == 50
        world.set(MESH)
        await world.applied()
        assert [drift.name for drift in world.status().drift] == [f"e{number:02}" for number in range(59, 9, -1)]
        assert all(drift.heal_time for drift in world.status().drift)
        target.cluster.change("e30", EVIL)
        await world.until(lambda: world.status().drift[0].name == "e30", seconds=1)
    assert len({drift.name for drift in world.status().drift}) == 50
    assert counted(DriftKind.CHANGED) - before == 61


@virtual_time
async def test_drift_is_reported_if_it_cannot_be_corrected() -> None:
    """A cluster that refuses changes still shows its drift."""
    world, target = watched_world(BANK)
    async with world.driven():
        await world.applied()
        target.apply_failures = [TransientError("THROTTLED", "later", retry_after=30.0)]
        target.cluster.change("bank", EVIL)
        await world.until(lambda: world.status().phase is Phase.FAILED, seconds=1)
        assert reported(world) == [("bank", "CHANGED", False)]
        await world.until(lambda: reported(world) == [("bank", "CHANGED", True)], seconds=35)
