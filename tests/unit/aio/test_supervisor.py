"""Supervision: failures are visible, tasks come back, and they end when they are cancelled."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
import structlog

from egress_server.aio.supervisor import HEALTH, Background, contain, in_background, supervise
from egress_server.aio.tasks import Task
from egress_server.telemetry.metrics import REGISTRY
from tests.support.virtual_time import virtual_time

TASK = Task.STATUS_WRITER
NAME = TASK.value.name


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged."""
    with structlog.testing.capture_logs() as found:
        yield found


def failures() -> float:
    """The number of failures counted."""
    return REGISTRY.get_sample_value("egress_task_failures_total", {"task": NAME}) or 0.0


def down() -> dict[str, str]:
    """The essential tasks that are down."""
    return HEALTH.down(essential=True)


class Work:
    """Fails immediately this many times, then works until it is cancelled."""

    def __init__(self, failing: int, error: BaseException | None = None) -> None:
        self.starts: list[float] = []
        self._failing = failing
        self._error = error or ZeroDivisionError("secret")

    async def run(self) -> None:
        """One start."""
        self.starts.append(asyncio.get_running_loop().time())
        if len(self.starts) <= self._failing:
            raise self._error
        await asyncio.Event().wait()


@virtual_time
async def test_a_failure_is_seen_and_the_task_comes_back() -> None:
    """It is logged with its traceback, counted, shown while the task is down, and no longer once it is steady."""
    before, work, background = failures(), Work(2), Background()
    with structlog.testing.capture_logs() as logs:
        background.start(TASK, work.run, cluster="east")
        await asyncio.sleep(0.1)
        assert down() == {NAME: "cluster east: failed once (ZeroDivisionError); see the log"}
        await asyncio.sleep(0.9)
        assert down() == {NAME: "cluster east: failed 2 times in a row (ZeroDivisionError); see the log"}
    await asyncio.sleep(1 + TASK.value.steady)
    assert down() == {}
    assert failures() - before == 2
    assert [(e["event"], e["task"], e["cluster"], e["log_level"]) for e in logs] == [
        ("task_failed", NAME, "east", "error")
    ] * 2
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)
    assert len(work.starts) == 3
    await background.close()


@virtual_time
async def test_pauses_grow_and_start_over() -> None:
    """Each consecutive failure doubles the pause; one after steady work has the first pause again."""
    times: list[float] = []

    async def work() -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 6:
            await asyncio.sleep(TASK.value.steady + 1)
        raise ZeroDivisionError

    background = Background()
    background.start(TASK, work)
    await asyncio.sleep(60)
    await background.close()
    pauses = [later - earlier for earlier, later in pairwise(times)]
    backoff = TASK.value.backoff
    for failed, pause in enumerate(pauses[:5], 1):
        longest = min(backoff.most, backoff.first * 2 ** (failed - 1))
        assert longest * (1 - backoff.jitter) <= pause <= longest
    assert pauses[5] - TASK.value.steady - 1 <= backoff.first


@virtual_time
async def test_what_is_expected_is_not_counted() -> None:
    """A dependency is unavailable: a warning, no failure, and the same pauses."""
    before, work, background = failures(), Work(3, ConnectionError("refused")), Background()
    with structlog.testing.capture_logs() as logs:
        background.start(TASK, work.run, expected=(ConnectionError,))
        await asyncio.sleep(10)
    assert (failures(), down()) == (before, {})
    assert [(e["event"], e["log_level"], e["message"]) for e in logs] == [("task_waits", "warning", "refused")] * 3
    assert len(work.starts) == 4
    await background.close()


@virtual_time
async def test_what_passes_is_raised() -> None:
    """The owner of the task handles it."""
    with pytest.raises(KeyError):
        await supervise(TASK, Work(1, KeyError()).run, passes=(KeyError,))


@virtual_time
async def test_a_task_may_come_to_its_end() -> None:
    """Work that returns is done, and its earlier failures no longer count."""
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError

    await supervise(TASK, work)
    assert (calls, down()) == (2, {})


@virtual_time
async def test_a_cancelled_task_ends() -> None:
    """While working or in a pause, without a trace in the health of the process."""
    for seconds in (0.01, 3.0):
        background = Background()
        background.start(TASK, Work(1).run)
        await asyncio.sleep(seconds)
        await background.close()
        assert (not background, down()) == (True, {})


@virtual_time
async def test_a_cancellation_that_was_not_meant_for_the_task() -> None:
    """Awaiting something that other code cancels is a failure, and does not end the task."""
    before, calls = failures(), 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled
        await asyncio.Event().wait()

    background = Background()
    background.start(TASK, work)
    await asyncio.sleep(5)
    assert (calls, failures() - before) == (2, 1)
    await background.close()


@virtual_time
async def test_a_stop_cuts_a_pause_short() -> None:
    """The work is called again, to clean up; if that fails, it pauses as usual."""
    stop, calls = asyncio.Event(), list[float]()

    async def work() -> None:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) < 3:
            raise ZeroDivisionError

    background = Background()
    background.start(Task.POD_SURVEY, work, stop=stop)
    await asyncio.sleep(0.1)
    stop.set()
    await background.wait()
    assert calls[:2] == [1000.0, 1000.1]
    assert calls[2] - calls[1] > 2


@virtual_time
async def test_several_of_a_kind() -> None:
    """They share a name, and each one counts."""
    background = Background()
    for cluster in ("east", "west"):
        background.start(TASK, Work(1).run, cluster=cluster)
    await asyncio.sleep(0.1)
    assert down()[NAME].startswith("2 instances are down; cluster west: failed once")
    await background.close()


@virtual_time
async def test_contained(logs: list[Any]) -> None:
    """Work that runs once: its failure is logged and counted, without a restart."""
    before = failures()
    await contain(TASK, Work(1).run(), agent="curl")
    assert (failures() - before, down()) == (1, {})
    assert [(entry["event"], entry["agent"]) for entry in logs] == [("task_failed", "curl")]


@virtual_time
async def test_in_background() -> None:
    """Until the stack is closed."""
    work = Work(0)
    async with AsyncExitStack() as stack:
        in_background(stack, TASK, work.run)
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == 2
    assert len(asyncio.all_tasks()) == 1


def test_names_are_labels() -> None:
    """Unique, and in the style of Kubernetes."""
    names = [task.value.name for task in Task]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)
