"""Changes by other clients are reported, gathered, and undone by the next reconcile."""

from collections.abc import Awaitable, Callable

import pytest

from egress_server.domain.model.objects import ObjectKey
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import entry
from tests.support.target_driver import TargetDriver
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BANK = ObjectKey("ServiceEntry", "default", "bank")


def has_drifted(process: TargetDriver) -> Callable[[], Awaitable[bool]]:
    """Whether bank.example.com is not on the cluster as desired."""

    async def check() -> bool:
        return bool((await process.plan(entry("bank"))).changes)

    return check


@needs(Topic.DRIFT)
async def test_changed_object_is_repaired(bench: TargetBench) -> None:
    """What the other client wrote is gathered first."""
    process = bench.process
    await process.reconcile(entry("bank"))
    await bench.change(BANK, {"hosts": ["evil.example.com"]})
    await until(has_drifted(process))
    assert (await process.live()).objects[BANK]["spec"]["hosts"] == ["evil.example.com"]
    assert await process.reconcile(entry("bank")) == {}
    assert (await (await bench.another()).plan(entry("bank"))).changes == ()


@needs(Topic.DRIFT)
async def test_deleted_object_is_created_again(bench: TargetBench) -> None:
    """And is managed as before."""
    process = bench.process
    await process.reconcile(entry("bank"))
    await bench.delete(BANK)
    await until(has_drifted(process))
    assert await process.names() == []
    assert await process.reconcile(entry("bank")) == {}
    assert await process.names() == ["bank"]


@needs(Topic.DRIFT, Topic.WRITERS)
async def test_who_changed_it(bench: TargetBench) -> None:
    """The last other client is named until the object is repaired."""
    process = bench.process
    await process.reconcile(entry("bank"))
    assert not any((await process.live()).changed_by.values())
    await bench.change(BANK, {"hosts": ["evil.example.com"]}, by="argocd")
    await until(has_drifted(process))
    assert (await process.live()).changed_by[BANK] == "argocd"
    await process.reconcile(entry("bank"))
    assert not any((await process.live()).changed_by.values())


@needs(Topic.DRIFT, Topic.EVENTS)
async def test_changes_are_reported(bench: TargetBench) -> None:
    """Each kind of change to managed objects, and objects of other clients."""
    process = bench.process
    await process.reconcile(entry("bank"))
    changes: tuple[Callable[[], Awaitable[None]], ...] = (
        lambda: bench.change(BANK, {"hosts": ["evil.example.com"]}),
        lambda: bench.delete(BANK),
        lambda: bench.create_foreign("theirs"),
        lambda: bench.delete_foreign("theirs"),
    )
    for change in changes:
        events = process.events
        await change()
        await process.until_event(events)


@needs(Topic.DRIFT, Topic.EVENTS)
async def test_changes_while_no_one_listens_are_reported(bench: TargetBench) -> None:
    """As soon as someone does: the loop may have been busy."""
    process = bench.process
    await process.reconcile(entry("bank"))
    await process.stop_listening()
    await bench.change(BANK, {"hosts": ["evil.example.com"]})
    await until(has_drifted(process))
    events = process.events
    process.listen()
    await process.until_event(events)


@needs(Topic.EVENTS, Topic.FOREIGN)
async def test_own_writes_are_not_reported(bench: TargetBench) -> None:
    """A reconcile does not cause another one."""
    process = bench.process
    await process.live()
    events = process.events
    for number in range(3):
        await process.reconcile(entry("bank", hosts=(f"h{number}.example.com",)), entry(f"e{number}"))
    assert process.events == events
    await bench.create_foreign("theirs")  # whatever was under way has arrived before this does
    await process.until_event(events)
    assert process.events == events + 1


@needs(Topic.EVENTS, Topic.PROCESSES)
async def test_writes_of_another_process_are_reported(bench: TargetBench) -> None:
    """To every process but the one that wrote."""
    first, second = bench.process, await bench.another()
    await first.live()
    await second.live()
    events = second.events
    await first.reconcile(entry("bank"))
    await second.until_event(events)


async def test_waits_for_changes_end_on_close(bench: TargetBench) -> None:
    """A caller that waits is not left waiting forever."""
    process = await bench.another()
    await process.live()
    await process.target.close()
    await process.until_deaf()
