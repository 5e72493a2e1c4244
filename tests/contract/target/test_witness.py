"""The record that a cluster keeps of the store that manages it."""

import pytest

from egress_server.domain.model.errors import PermanentError, TransientError
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import entry

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_witness_of_the_last_apply(bench: TargetBench) -> None:
    """Each apply replaces it, also one that changes nothing else, and also by another store."""
    process = bench.process
    await process.reconcile(entry("bank"))
    await process.record()
    process.fence += 1
    await process.record()
    assert (await process.live()).witness == process.witness()
    process.epoch, process.revision = "another store", 0
    await process.record()
    assert (await process.live()).witness == process.witness()
    assert await process.names() == ["bank"]


@needs(Topic.FENCE)
async def test_older_fence_is_refused(bench: TargetBench) -> None:
    """Once a newer applier has written, the former one changes nothing, whatever it wants."""
    former, newer = bench.process, await bench.another()
    newer.fence = former.fence + 1
    await former.reconcile(entry("bank"))
    plan = await former.plan(entry("coin"))
    await newer.reconcile(entry("bank"))
    # The former applier may learn of it before it writes, or from the conflict.
    while (await former.live()).witness != newer.witness():
        await former.until_event(former.events)
    with pytest.raises(TransientError) as raised:
        await former.target.apply(upsert=plan.upsert, delete=plan.delete, witness=former.witness())
    assert raised.value.reason == "CONFLICT"
    assert (await newer.live()).witness == newer.witness()
    assert await newer.names() == ["bank"]


@needs(Topic.FENCE)
async def test_fences_of_two_stores_are_not_compared(bench: TargetBench) -> None:
    """A new store counts from the beginning."""
    process = bench.process
    process.fence = 7
    await process.record()
    process.epoch, process.fence = "another store", 1
    await process.record()
    assert (await process.live()).witness == process.witness()


async def test_accepted_witness_is_overruled(bench: TargetBench) -> None:
    """A store that was restored from an older copy counts on from a lower fencing token."""
    process = bench.process
    process.fence, process.revision = 7, 20
    await process.record()
    process.fence, process.revision = 2, 10
    await process.take_over()
    assert (await process.live()).witness == process.witness()
    await process.reconcile(entry("bank"))
    assert await process.names() == ["bank"]


@needs(Topic.RECORD)
async def test_damaged_record_is_not_a_new_cluster(bench: TargetBench) -> None:
    """To manage it as a new one would open it: nothing works until a person has looked."""
    await bench.process.reconcile(entry("bank"))
    await bench.damage_record()
    with pytest.raises(PermanentError) as raised:
        await (await bench.another()).live()
    assert raised.value.reason == "STATE_UNREADABLE"
