"""The cluster is out of reach, or a call is cancelled: what was applied is what is found later."""

import asyncio
from collections.abc import Mapping

import pytest

from egress_server.domain.model.errors import TransientError
from egress_server.ports.target import UNREACHABLE
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import entry
from tests.support.target_driver import FUTURE
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEFORE = (entry("old"), entry("bank"))
AFTER = (entry("bank", hosts=("other.example.com",)), *(entry(f"e{number}") for number in range(4)))


@needs(Topic.OUTAGE)
async def test_unreachable_cluster(bench: TargetBench) -> None:
    """Every request fails with the reason that shows it as offline; then it is as it was left."""
    process = bench.process
    await process.reconcile(*BEFORE)
    before = dict((await process.live()).objects)
    await bench.take_down()

    async def is_unreachable() -> bool:
        try:
            await process.live()
        except TransientError as error:
            return error.reason == UNREACHABLE
        return False

    await until(is_unreachable)
    requests = (
        process.target.apply(upsert=(), delete=(), witness=process.witness()),
        process.target.strip_ended(FUTURE),
    )
    for failure in await asyncio.gather(*requests, return_exceptions=True):
        assert isinstance(failure, TransientError)
        assert failure.reason == UNREACHABLE
    await bench.bring_back()
    await until(process.live, ignoring=TransientError)
    assert dict((await process.live()).objects) == before
    assert await process.reconcile(*AFTER) == {}


@needs(Topic.OUTAGE, Topic.EVENTS)
async def test_outage_is_reported(bench: TargetBench) -> None:
    """So that the cluster is shown as offline before anything is applied."""
    process = bench.process
    await process.reconcile(*BEFORE)
    events = process.events
    await bench.take_down()
    await process.until_event(events)
    await bench.bring_back()


@needs(Topic.VERSIONS)
@pytest.mark.parametrize("written", range(8))
async def test_cancelled_apply(bench: TargetBench, written: int) -> None:
    """After so many of the writes: if the new witness is there, so are all objects. The next reconcile completes the
    work."""
    process = bench.process
    await process.reconcile(*BEFORE)
    former, before = process.witness(), await bench.versions()
    plan = await process.plan(*AFTER)
    process.revision += 1
    apply = process.target.apply(upsert=plan.upsert, delete=plan.delete, witness=process.witness())
    task = asyncio.create_task(apply)
    while not task.done() and await _written(bench, before) < written:  # noqa: ASYNC110 - nothing announces a write
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    for reader in (process, await bench.another()):
        live = await reader.live()
        assert live.witness in (former, process.witness())
        assert live.witness == process.witness() or task.cancelled()
        if live.witness == process.witness():
            assert sorted(key.name for key in live.objects) == ["bank", "e0", "e1", "e2", "e3"]
    assert await bench.process.reconcile(*AFTER) == {}
    assert (await bench.process.plan(*AFTER)).changes == ()


async def _written(bench: TargetBench, before: Mapping[str, object]) -> int:
    """How many objects, or files, differ from those of `before`, including the witness."""
    now = await bench.versions()
    return sum(now.get(name) != before.get(name) for name in now.keys() | before.keys())
