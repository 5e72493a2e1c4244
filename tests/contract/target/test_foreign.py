"""Objects of other clients stay as they are, whatever is applied next to them."""

import pytest

from egress_server.domain.model.errors import TransientError
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import entry
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@needs(Topic.FOREIGN)
async def test_foreign_objects_are_untouched(bench: TargetBench) -> None:
    """By updates, deletions and a release; and they are not gathered as managed."""
    await bench.create_foreign("theirs")
    before = await bench.foreign()
    assert before.keys() == {"theirs"}
    process = bench.process
    await process.reconcile(entry("bank"), entry("coin"))
    await process.reconcile(entry("bank"))
    assert await process.names() == ["bank"]
    await process.release()
    assert await process.names() == []
    assert await bench.foreign() == before


@needs(Topic.FOREIGN, Topic.FOREIGN_OBSTACLE)
async def test_foreign_object_in_the_way(bench: TargetBench) -> None:
    """It is an obstacle for the resource whose name it has, and stays; when it is gone, the resource is applied."""
    process, ours = bench.process, entry("bank")
    await bench.create_foreign("bank")
    before = await bench.foreign()

    async def is_noticed() -> bool:
        return ours.name in (await process.plan(ours)).obstacles

    await until(is_noticed)
    obstacles = await process.reconcile(ours, entry("coin"))
    assert {name: problem.reason for name, problem in obstacles.items()} == {ours.name: "FOREIGN_OWNER"}
    assert await process.names() == ["coin"]
    assert await bench.foreign() == before
    await bench.delete_foreign("bank")

    async def is_gone() -> bool:
        return not await is_noticed()

    await until(is_gone)
    assert await process.reconcile(ours, entry("coin")) == {}
    assert await process.names() == ["bank", "coin"]


@needs(Topic.FOREIGN, Topic.FOREIGN_OBSTACLE, Topic.EVENTS)
@pytest.mark.parametrize("reported", [False, True])
async def test_foreign_object_that_has_just_been_created(bench: TargetBench, *, reported: bool) -> None:
    """One that the plan does not know of is not overwritten, nor taken for a managed one, whether or not its creation
    was reported before the apply."""
    process = bench.process
    plan = await process.plan(entry("bank"))
    events = process.events
    await bench.create_foreign("bank")
    before = await bench.foreign()
    if reported:
        await process.until_event(events)
    with pytest.raises(TransientError) as raised:
        await process.target.apply(upsert=plan.upsert, delete=(), witness=process.witness())
    assert raised.value.reason == "CONFLICT"
    assert await bench.foreign() == before
    assert await process.names() == []
