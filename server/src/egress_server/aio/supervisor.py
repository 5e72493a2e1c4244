"""Background tasks that don't die in silence.

A supervised task that fails is logged with its traceback, counted in egress_task_failures_total, shown by /readyz, and
started again after a pause. Nothing but a cancellation or its own return ends it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog

from egress_server.aio.tasks import Task
from egress_server.aio.waiting import cancel_and_wait, wait_for_event
from egress_server.telemetry import metrics

_log = structlog.get_logger(__name__)


class TaskHealth:
    """The supervised tasks of this process that are down: failed, and not yet steady again."""

    def __init__(self) -> None:
        self._down: dict[object, tuple[Task, str]] = {}

    def down(self, *, essential: bool) -> dict[str, str]:
        """The essential ones, or the others, by name, each with what happened to it."""
        found: dict[str, list[str]] = {}
        for task, what in self._down.values():
            if task.value.essential is essential:
                found.setdefault(task.value.name, []).append(what)
        return {
            name: what[-1] if len(what) == 1 else f"{len(what)} instances are down; {what[-1]}"
            for name, what in found.items()
        }

    def failed(self, run: object, task: Task, what: str) -> None:
        """This run of a task is down."""
        self._down[run] = task, what

    def recovered(self, run: object) -> None:
        """It is steady again, or over."""
        self._down.pop(run, None)


HEALTH = TaskHealth()
"""That of this process, as its metrics are."""


class _Run:
    """One supervised task from its start to its end, over all restarts."""

    def __init__(self, task: Task, details: dict[str, str]) -> None:
        self._task = task
        self._details = details
        self._failures = 0

    def failed(self, error: BaseException, expected: tuple[type[Exception], ...], lasted: float) -> float:
        """Reports a failure after `lasted` seconds at work; returns the seconds until the restart."""
        if lasted >= self._task.value.steady:
            self._failures = 0
        self._failures += 1
        pause = self._task.value.backoff.pause(self._failures)
        if isinstance(error, expected):
            what = {"reason": getattr(error, "reason", ""), "message": str(error)}
            _log.warning("task_waits", task=self._task.value.name, **self._fields(pause), **what)
        else:
            _report(self._task, error, self._fields(pause))
            HEALTH.failed(self, self._task, self._summary(error))
        return pause

    def _fields(self, pause: float) -> dict[str, Any]:
        return {"restart_in": round(pause, 3), **self._details}

    def _summary(self, error: BaseException) -> str:
        """For /readyz: no text of the error, which may quote anything."""
        of_what = "".join(f"{name} {value}: " for name, value in self._details.items())
        times = "once" if self._failures == 1 else f"{self._failures} times in a row"
        return f"{of_what}failed {times} ({type(error).__name__}); see the log"


async def supervise(
    task: Task,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    expected: tuple[type[Exception], ...] = (),
    passes: tuple[type[Exception], ...] = (),
    stop: asyncio.Event | None = None,
    **details: str,
) -> None:
    """Runs `work` until it returns, again after each failure.

    `expected` exceptions mean that a dependency of the task is unavailable: they are logged as warnings and not
    counted. `passes` are raised on. `stop` cuts the pause short during which it is set: `work` is then called again and
    can see it. `details` go into the log.
    """
    run, loop = _Run(task, details), asyncio.get_running_loop()
    try:
        while True:
            began = loop.time()
            steady = loop.call_later(task.value.steady, HEALTH.recovered, run)
            try:
                return await work()
            except passes:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the task goes on
                pause = run.failed(error, expected, loop.time() - began)
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    raise
                # Something that the work waited for was cancelled, and not the task: it would end in silence.
                pause = run.failed(error, expected, loop.time() - began)
            finally:
                steady.cancel()
            if stop is None or stop.is_set():
                await asyncio.sleep(pause)
            else:
                await wait_for_event(stop, pause)
    finally:
        HEALTH.recovered(run)


async def contain(task: Task, work: Coroutine[Any, Any, None], **details: str) -> None:
    """Runs `work` once. A failure is logged and counted, and goes no further."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - a caller that waits for the result times out
        _report(task, error, details)


def _report(task: Task, error: BaseException, fields: Mapping[str, Any]) -> None:
    metrics.TASK_FAILURES.labels(task.value.name).inc()
    _log.error("task_failed", task=task.value.name, exc_info=error, **fields)


def _is_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


class Background:
    """Supervised tasks with one end: those that are started run until `close`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def start(self, task: Task, work: Callable[[], Coroutine[Any, Any, None]], **options: Any) -> None:
        """Supervises `work`; see supervise() for `options`."""
        self._keep(task, supervise(task, work, **options))

    def start_once(self, task: Task, work: Coroutine[Any, Any, None], **details: str) -> None:
        """Runs `work` once, contained."""
        self._keep(task, contain(task, work, **details))

    async def wait(self) -> None:
        """Returns once all have ended by themselves."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancels them all and waits until they have ended. Others may be started afterwards."""
        tasks, self._tasks = self._tasks, set()
        await cancel_and_wait(*tasks)

    def _keep(self, task: Task, work: Coroutine[Any, Any, None]) -> None:
        started = asyncio.create_task(work, name=task.value.name)
        self._tasks.add(started)
        started.add_done_callback(lambda ended: self._tasks.discard(ended))


def in_background(
    stack: AsyncExitStack, task: Task, work: Callable[[], Coroutine[Any, Any, None]], **options: Any
) -> None:
    """Supervises `work` until the stack is closed; see supervise() for `options`."""
    background = Background()
    background.start(task, work, **options)
    stack.push_async_callback(background.close)
