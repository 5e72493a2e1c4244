"""When a change is verified: without delaying an apply, and not again without a reason."""

import asyncio
from itertools import count, pairwise

from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.rollout import RolloutState
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.verify import UNREGISTERED_HOST
from tests.support.doubles.memory_target import loop_time
from tests.support.meshes import cluster, entry, policy, ports
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.verification.support import BANK, KNOWN, REFUSED_URL, reasons, state
from tests.unit.delivery.world import World


@virtual_time
async def test_never_holds_up_an_apply() -> None:
    """A newer apply does not wait for probes in flight, and what was pending is verified after it."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.agents.seconds = 4.0
    async with world.driven():
        first = world.set(BANK)
        await world.until(lambda: bool(world.agents.asked))
        began = loop_time()
        second = world.set(entry("shop"))
        await world.until(lambda: world.status().applied_revision == second)
        assert loop_time() - began < 0.2
        await world.verified(seconds=60)
    assert state(world, BANK.name, first) is RolloutState.VERIFIED
    assert state(world, entry("shop").name, second) is RolloutState.VERIFIED


@virtual_time
async def test_other_writers_do_not_block_it() -> None:
    """Constant changes by other clients cause reconciles, but don't stop a probe in flight."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.targets["east"].watchable = True
    async with world.driven():
        await world.verified()
        world.agents.seconds = 1.0
        revision = world.set(BANK)
        writing = asyncio.create_task(another_writer(world))
        try:
            await world.verified(seconds=10)
        finally:
            writing.cancel()
    assert state(world, BANK.name, revision) is RolloutState.VERIFIED


async def another_writer(world: World) -> None:
    """An unmanaged entry is replaced every 50 ms."""
    for number in count():
        world.targets["east"].cluster.change("busy", {"hosts": [f"busy-{number}.example.com"]}, by="others")
        await asyncio.sleep(0.05)


@virtual_time
async def test_what_may_be_probed_by_now_is() -> None:
    """On a cluster where all traffic may pass nothing can be verified; once a policy blocks it, it can."""
    world = World()
    world.agents.attach()
    async with world.driven():
        await world.until(lambda: reasons(world.status().unverified) == {cluster().name: "NOT_PROBED"})
        world.set(policy("REGISTRY_ONLY"))
        await world.verified(seconds=2)
    assert world.status().unverified is None


@virtual_time
async def test_nothing_is_probed_if_nothing_changed() -> None:
    """A revision that changes nothing for the cluster is verified without a probe, and so is a resync."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.agents.asked.clear()
        world.set(cluster("west"))
        await world.verified(seconds=0.2)
        await asyncio.sleep(200)
    assert world.agents.asked == []


@virtual_time
async def test_registration_alone_is_verified() -> None:
    """A cluster without any policy is verified by what passes there."""
    world = World()
    world.agents.attach()
    async with world.driven(KNOWN):
        await world.verified()
    assert state(world, cluster().name, 2) is RolloutState.VERIFIED
    assert world.agents.urls == ["http://www.example.com/"]


@virtual_time
async def test_resumes_where_the_last_applier_stopped() -> None:
    """After a restart only what changed since the last verdict is probed, and what was undecided then."""
    world = World(policy("REGISTRY_ONLY"), BANK, entry("shop"))
    world.agents.attach()
    doubt = {BANK.name: Problem("PROBE_INCONCLUSIVE", "")}
    gone = {entry("gone").name: Problem("PROBE_DISAGREES", "")}
    status = ClusterStatus("east", Phase.SETTLED, verified_revision=4, unverified=doubt, disagreements=gone)
    world.store.write_statuses("default", [status])
    world.set(entry("news"))
    async with world.driven():
        await world.verified()
    hosts = {url.split("/")[2] for url in world.agents.urls}
    assert hosts == {"bank.example.com", "shop.example.com", "news.example.com", UNREGISTERED_HOST}
    assert world.status().unverified is None
    assert reasons(world.status().disagreements) == {entry("gone").name: "PROBE_DISAGREES"}


@virtual_time
async def test_what_was_missed_did_not_concern_the_cluster() -> None:
    """After a restart with nothing changed since the last verdict, only the mode is probed."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    world.store.write_statuses("default", [ClusterStatus("east", Phase.SETTLED, verified_revision=4)])
    world.set(cluster("west"))
    async with world.driven():
        await world.verified()
    assert world.agents.urls == [REFUSED_URL]


@virtual_time
async def test_agents_are_not_flooded() -> None:
    """An agent is used at a bounded rate, however much is pending."""
    world = World(*(entry(f"e{number}") for number in range(50)))
    world.agents.attach()
    world.agents.seconds = 0.0
    async with world.driven(DeliverySettings(probe_interval=0.5)):
        await world.verified(seconds=60)
    times = [at for at, _, _, _ in world.agents.asked]
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.49


@virtual_time
async def test_unsupported_is_not_expected() -> None:
    """What the cluster can't serve is not expected there: its host must be blocked like any other."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.targets["east"].unsupported = {BANK.name: "not here"}
        world.set(entry("bank", ports=ports("80:HTTP")))
        await world.verified()
    assert world.status().unverified is None
    assert world.status().disagreements is None
