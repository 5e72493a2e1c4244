"""A failure is shown, retried in time, and does not hold up other clusters."""

import asyncio

import pytest

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.status import Phase
from egress_server.ports.target import PERMISSIONS_MISSING
from tests.support.doubles.memory_target import loop_time
from tests.support.meshes import entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World, clock


def unreachable(retry_after: float | None = None) -> TransientError:
    """The cluster can't be reached."""
    return TransientError("UNREACHABLE", "connection refused", retry_after)


@virtual_time
async def test_pauses_grow() -> None:
    """Each further failure doubles the pause, up to half a minute; the record has the time of the next attempt."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.failures = [unreachable() for _ in range(12)]
    pauses = []
    async with world.driven():
        for _ in range(12):
            before = target.gathers
            await world.until(lambda before=before: target.gathers > before, seconds=31)  # type: ignore[misc]
            await asyncio.sleep(0.02)
            status = world.status()
            assert status.phase is Phase.OFFLINE
            assert status.problem is not None
            assert status.problem.reason == "UNREACHABLE"
            assert status.problem.retry_time is not None
            pauses.append((status.problem.retry_time - clock()).total_seconds())
        await world.applied(seconds=31)
    assert 0.2 < pauses[0] < 0.5
    assert 0.7 < pauses[2] < 2.0
    assert all(14 < pause < 30 for pause in pauses[-4:])
    assert world.status().problem is None
    assert world.status().phase is Phase.SETTLED


@virtual_time
async def test_new_revision_cancels_the_pause() -> None:
    """After a user has fixed the cause, the next retry need not be waited for."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.failures = [unreachable() for _ in range(8)]
    async with world.driven():
        await world.until(lambda: target.gathers == 8, seconds=120)
        await asyncio.sleep(0.2)
        began = loop_time()
        world.set(entry("bank"))
        await world.applied()
    assert loop_time() - began < 0.1


@virtual_time
async def test_the_clusters_own_word_counts() -> None:
    """A cluster that asks for a pause gets it, even if there is something new."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.failures = [TransientError("THROTTLED", "too many requests", retry_after=7.0)]
    async with world.driven():
        await world.until(lambda: target.gathers == 1)
        began = loop_time()
        await asyncio.sleep(1)
        world.set(entry("shop"))
        await world.applied()
    assert 6.9 < loop_time() - began < 7.2
    assert world.store.records[0][1][0].phase is Phase.FAILED


@virtual_time
async def test_permanent_failure_waits_for_a_change() -> None:
    """A permanent failure is not retried until desired state changes."""
    world = World(entry("bank"))
    target = world.targets["east"]
    target.apply_failures = [PermanentError("ENVOY_REFUSED", "bad host")]
    async with world.driven():
        await asyncio.sleep(50)
        status = world.status()
        assert (status.phase, target.gathers) == (Phase.FAILED, 1)
        assert status.problem is not None
        assert (status.problem.reason, status.problem.retry_time) == ("ENVOY_REFUSED", None)
        world.set(entry("bank", hosts=("good.example.com",)))
        await world.applied(seconds=0.2)


@virtual_time
async def test_credentials_may_be_renewed_where_they_are_kept() -> None:
    """A cluster that rejects the credentials is opened again at the resync."""
    world = World(entry("bank"))
    world.targets["east"].failures = [PermanentError(PERMISSIONS_MISSING, "out of date")]
    async with world.driven():
        await world.until(lambda: world.status().phase is Phase.FAILED)
        assert world.targets["east"].closed
        await world.applied(seconds=61)


@virtual_time
async def test_permanent_failure_is_looked_at_at_the_resync() -> None:
    """The cluster may have changed meanwhile: the resync tries again."""
    world = World(entry("bank"))
    world.targets["east"].apply_failures = [PermanentError("ENVOY_REFUSED", "bad host")]
    async with world.driven():
        await world.applied(seconds=61)


@virtual_time
@pytest.mark.parametrize("error", [PermanentError("ENVOY_MISSING", "no Envoy"), unreachable()])
async def test_target_that_does_not_open(error: Exception) -> None:
    """A target that can't be opened fails like any other step, and is opened again later."""
    world = World(entry("bank"))
    world.targets.failures = [error]
    async with world.driven():
        await world.until(lambda: world.status().problem is not None)
        await world.applied(seconds=61)


@virtual_time
async def test_our_own_bug_does_not_stop_the_worker() -> None:
    """An unexpected exception shows as INTERNAL, without its text, and the cluster is tried again."""
    world = World(entry("bank"))
    world.targets["east"].failures = [ZeroDivisionError("secret")]
    async with world.driven():
        await world.until(lambda: world.status().problem is not None)
        problem = world.status().problem
        assert problem is not None
        assert problem.reason == "INTERNAL"
        assert "secret" not in problem.message
        await world.applied(seconds=31)


@virtual_time
async def test_worker_that_crashes_comes_back() -> None:
    """Whatever breaks a controller, during a reconcile or before it has the lease, the cluster is soon reconciled
    again."""
    world = World(entry("bank"))
    world.store.acquire_failures = [ZeroDivisionError("a bug")]
    async with world.driven():
        await world.applied(seconds=2)
        world.targets["east"].close_failures = [ZeroDivisionError("another bug")]
        world.store.give("east", "other", 5.0)
        world.set(entry("shop"))
        await world.applied(seconds=15)
    assert world.targets["east"].close_failures == []
    assert world.status().phase is Phase.SETTLED


@virtual_time
async def test_store_outage() -> None:
    """Without the store nothing is changed once the lease has expired, and scans for faults are rare; when the store is
    back, reconciling continues."""
    world = World(entry("bank"))
    target = world.targets["east"]
    async with world.driven():
        await world.applied()
        world.store.down = True
        await asyncio.sleep(11)
        gathers, writes = target.gathers, len(target.writes)
        world.set(entry("shop"))
        await asyncio.sleep(300)
        assert len(target.writes) == writes
        assert target.gathers <= gathers + 10
        world.store.down = False
        await world.applied()
    assert world.status().fence == 2


@virtual_time
async def test_short_store_outage_costs_no_lease() -> None:
    """An outage shorter than the lease delays the record, nothing else."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.store.down = True
        world.set(entry("shop"))
        await asyncio.sleep(4)
        world.store.down = False
        await world.applied()
    assert world.status().fence == 1


@virtual_time
async def test_stop_while_the_store_is_unreachable() -> None:
    """A stop does not hang on a store that can't be reached."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.store.down = True
        world.set(entry("shop"))
        await asyncio.sleep(1)
        began = loop_time()
    assert loop_time() - began < 10
