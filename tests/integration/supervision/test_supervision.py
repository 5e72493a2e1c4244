"""Every background task is made to fail, once and forever: the failure is visible, and the task comes back.

A task that is not tested here fails the build, and so does one that operators find nothing about in the docs.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog

from egress_server.aio.supervisor import HEALTH
from egress_server.aio.tasks import Task
from egress_server.app.store import ProcessStore
from egress_server.telemetry.metrics import REGISTRY
from tests.integration.supervision import of_agents, of_appliers, of_kubernetes, of_processes, of_stores
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job, Scenario
from tests.support.paths import ROOT
from tests.support.virtual_time import VirtualLoop
from tests.support.waiting import until

VIRTUAL_SECONDS = 300.0
"""How long pauses may have become after a few failures."""
MODULES = (of_agents, of_appliers, of_kubernetes, of_processes, of_stores)
ROW = re.compile(r"^\| `([a-z-]+)` \| (yes|no) \| (.+) \|$", re.MULTILINE)

by_task = pytest.mark.parametrize("scenario", SCENARIOS.found.values(), ids=SCENARIOS.found.keys())


def failures(task: Task) -> int:
    """The number of failures counted."""
    return int(REGISTRY.get_sample_value("egress_task_failures_total", {"task": task.value.name}) or 0)


def is_down(task: Task) -> bool:
    """Whether the process reports it as down."""
    return task.value.name in HEALTH.down(essential=task.value.essential)


def play(scenario: Scenario, folder: Path, act: Callable[[Job, Fault], Awaitable[None]]) -> list[Any]:
    """Opens the scenario, and returns what the task's failures logged."""
    fault = Fault()

    async def run() -> None:
        async with aclosing(scenario.open(fault, folder)) as opened:  # type: ignore[type-var]
            async for job in opened:
                await act(job, fault)
                fault.heal()

    loop = VirtualLoop if scenario.virtual else None
    with structlog.testing.capture_logs() as logs, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
    name = scenario.task.value.name
    return [entry for entry in logs if entry["event"] == "task_failed" and entry["task"] == name]


def test_every_task_has_a_scenario() -> None:
    """Every task has a scenario."""
    assert SCENARIOS.found.keys() == {task.value.name for task in Task}
    assert all(module.__doc__ for module in MODULES)


def test_operators_find_every_task() -> None:
    """Every task is in docs/processes.md, with whether the process is unready without it."""
    rows = ROW.findall((ROOT / "docs" / "processes.md").read_text())
    assert {name: essential for name, essential, _ in rows} == {
        task.value.name: "yes" if task.value.essential else "no" for task in Task
    }


@by_task
def test_fails_once(scenario: Scenario, tmp_path: Path) -> None:
    """The failure is logged with its traceback and counted; the task does its job again, and is then up."""
    task = scenario.task
    before = failures(task)

    async def act(job: Job, fault: Fault) -> None:
        fault.arm(1)
        await job.provoke()
        await until(lambda: bool(fault.times) and failures(task) > before, seconds=VIRTUAL_SECONDS)
        assert is_down(task) is task.value.restarts
        await job.works()
        await until(lambda: not is_down(task), seconds=VIRTUAL_SECONDS)

    logged = play(scenario, tmp_path, act)
    assert len(logged) == failures(task) - before
    assert all(entry["exc_info"].__traceback__ for entry in logged)


@by_task
def test_fails_for_ever(scenario: Scenario, tmp_path: Path) -> None:
    """Each failure is logged and counted, after ever longer pauses; readiness shows the task, the rest of the process
    goes on, and with the cause gone so does the task."""
    task = scenario.task
    before = failures(task)

    async def act(job: Job, fault: Fault) -> None:
        fault.arm(None)
        await job.provoke()
        if task.value.restarts:
            await until(lambda: len(fault.times) >= 4 and failures(task) - before >= 4, seconds=VIRTUAL_SECONDS)
            _assert_pauses_grow(task, fault.times)
            health = await ProcessStore("default").health()
            assert task.value.name in (health.not_ready if task.value.essential else health.degraded)
            assert "secret" not in str(health)
        else:
            await job.provoke()
            await until(lambda: failures(task) - before >= 2, seconds=VIRTUAL_SECONDS)
            assert not is_down(task)
        await job.rest()
        fault.heal()
        await job.works()
        await until(lambda: not is_down(task), seconds=VIRTUAL_SECONDS)

    logged = play(scenario, tmp_path, act)
    assert len(logged) == failures(task) - before


def _assert_pauses_grow(task: Task, times: list[float]) -> None:
    backoff = task.value.backoff
    for number, pause in enumerate((later - earlier for earlier, later in pairwise(times[:4])), 1):
        least = min(backoff.most, backoff.first * 2 ** (number - 1)) * (1 - backoff.jitter)
        assert pause >= least - 0.001
