"""Waits with a timeout, and tasks that don't outlive their call."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from egress_server.aio.waiting import (
    Interrupted,
    Interruptible,
    Unbroken,
    cancel_and_wait,
    scoped,
    unless,
    until_stopped,
    wait_for_event,
)
from tests.support.virtual_time import virtual_time


async def soon(result: int = 7) -> int:
    """Returns after a second."""
    await asyncio.sleep(1)
    return result


async def for_ever() -> None:
    """Never returns."""
    await asyncio.Event().wait()


async def fail() -> None:
    """Fails after a second."""
    await asyncio.sleep(1)
    raise ZeroDivisionError


def running() -> int:
    """The number of tasks besides the test's own."""
    return len(asyncio.all_tasks()) - 1


@virtual_time
async def test_wait_for_event() -> None:
    """True if it is set, False after the timeout; without a timeout it waits indefinitely."""
    event = asyncio.Event()
    assert not await wait_for_event(event, 5)
    asyncio.get_running_loop().call_later(3600, event.set)
    assert await wait_for_event(event, None)
    assert await wait_for_event(event, 0)


@virtual_time
async def test_until_stopped() -> None:
    """The result or failure of the work, or None if the stop comes first; no task is left over."""
    stop = asyncio.Event()
    assert await until_stopped(stop, soon()) == 7
    with pytest.raises(ZeroDivisionError):
        await until_stopped(stop, fail())
    asyncio.get_running_loop().call_later(0.5, stop.set)
    assert await until_stopped(stop, soon()) is None
    assert running() == 0


@virtual_time
async def test_scoped_tasks_end_with_their_block() -> None:
    """Also if the block fails."""
    seen: list[asyncio.Task[None]] = []

    async def block() -> None:
        async with scoped(for_ever(), for_ever()) as tasks:
            seen.extend(tasks)
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert [task.cancelled() for task in seen] == [True, True]


@virtual_time
async def test_a_failure_while_ending_is_logged() -> None:
    """Otherwise it would go unnoticed."""

    async def ends_badly() -> None:
        try:
            await for_ever()
        finally:
            raise ZeroDivisionError

    async with scoped(ends_badly()) as (task,):
        await asyncio.sleep(0)
        with structlog.testing.capture_logs() as logs:
            await cancel_and_wait(task)
    assert [entry["event"] for entry in logs] == ["task_end_failed"]


def after(seconds: float) -> Callable[[], Awaitable[object]]:
    """A signal that comes this late."""
    return lambda: asyncio.sleep(seconds)


@virtual_time
async def test_unless() -> None:
    """A call is cancelled by the signal only, and the signal is not awaited before the delay is over."""
    assert await unless(after(5), 0.1, soon()) == 7
    assert await unless(after(0), 2, soon()) == 7
    with pytest.raises(Interrupted):
        await unless(after(0.5), 0.1, for_ever())
    with pytest.raises(ZeroDivisionError):
        await unless(after(5), 0.1, fail())
    current = asyncio.current_task()
    assert current is not None
    assert (running(), current.cancelling()) == (0, 0)


@virtual_time
async def test_unless_is_cancelled_like_any_call() -> None:
    """A cancellation from outside does not count as the signal."""
    call = asyncio.create_task(unless(after(60), 0.1, for_ever()))
    await asyncio.sleep(1)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert running() == 0


@virtual_time
async def test_interruptible() -> None:
    """Interrupted work takes no further step, and the next run is not affected."""
    steps: list[str] = []

    async def step(name: str) -> None:
        await asyncio.sleep(1)
        steps.append(name)

    interruptible = Interruptible()
    interruptible.interrupt()
    asyncio.get_running_loop().call_later(0.5, interruptible.interrupt)
    assert not await interruptible.run(step("first"))
    assert await interruptible.run(step("second"))
    with pytest.raises(ZeroDivisionError):
        await interruptible.run(fail())
    assert steps == ["second"]
    assert running() == 0


@virtual_time
async def test_unbroken_calls_come_to_their_end() -> None:
    """A cancelled caller does not cancel the call itself; a failure that the caller can't see is logged."""
    calls = Unbroken[int]()
    assert await calls.run(soon()) == 7
    done: list[int] = []

    async def note() -> int:
        done.append(await soon())
        raise ZeroDivisionError

    caller = asyncio.create_task(calls.run(note()))
    await asyncio.sleep(0.5)
    caller.cancel()
    with structlog.testing.capture_logs() as logs:
        await asyncio.sleep(1)
    assert done == [7]
    assert [entry["event"] for entry in logs] == ["abandoned_call_failed"]
    assert running() == 0


@virtual_time
async def test_unbroken_calls_can_be_given_up() -> None:
    """All that are running."""
    calls = Unbroken[int]()
    caller = asyncio.create_task(calls.run(soon()))
    await asyncio.sleep(0.5)
    await calls.cancel()
    await asyncio.wait({caller})
    assert caller.cancelled()
