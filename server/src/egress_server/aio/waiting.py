"""Waits that something else may cut short, locks by key, and tasks that don't outlive the call that needs them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import structlog

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Interrupted(Exception):
    """What a call was to be given up for has come first."""


async def wait_for_event(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits until `event` is set; False after `seconds` (None: waits forever)."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and returns once they have ended. A failure while they end is logged."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    for task, result in zip(running, await asyncio.gather(*running, return_exceptions=True), strict=True):
        if isinstance(result, Exception):
            _log.error("task_end_failed", task=task.get_name(), exc_info=result)


@asynccontextmanager
async def scoped(*works: Coroutine[Any, Any, T]) -> AsyncIterator[tuple[asyncio.Task[T], ...]]:
    """Runs each of `works` as a task within the block, at whose end those still running are cancelled. Exceptions
    that they raise are for the block to handle."""
    tasks = tuple(asyncio.create_task(work) for work in works)
    try:
        yield tasks
    finally:
        await cancel_and_wait(*tasks)


async def until_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns or raises; None if the stop comes first."""
    async with scoped(work) as (task,), scoped(stop.wait()) as (stopped,):
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None


async def unless(signal: Callable[[], Awaitable[object]], after: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises; cancels it and raises Interrupted as soon as `signal` returns.

    `signal` is not awaited before `after` seconds: a call that is over by then needs no task to watch for it.
    """
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    assert current is not None
    watching: list[asyncio.Task[None]] = []
    signalled = False

    async def watch() -> None:
        nonlocal signalled
        await signal()
        signalled = True
        current.cancel()

    timer = loop.call_later(after, lambda: watching.append(loop.create_task(watch())))
    try:
        return await work
    except asyncio.CancelledError:
        if signalled:
            current.uncancel()
            raise Interrupted from None
        raise
    finally:
        timer.cancel()
        await cancel_and_wait(*watching)


class Interruptible:
    """Runs one coroutine at a time, which `interrupt` ends before its next step."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def interrupt(self) -> None:
        """Ends what is running; harmless if nothing is."""
        if self._task is not None:
            self._task.cancel()

    async def run(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether `work` came to its end: False if it was interrupted. Raises what it raises."""
        async with scoped(work) as (task,):
            self._task = task
            try:
                await asyncio.wait({task})
            finally:
                self._task = None
        if task.cancelled():
            return False
        task.result()
        return True


class Unbroken(Generic[T]):
    """Calls that come to their end although their caller is cancelled; `cancel` gives up those under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[T]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises. If the caller is cancelled, a failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise

    async def cancel(self) -> None:
        """Cancels them and waits until they have ended."""
        await cancel_and_wait(*self._tasks)


class KeyedLocks:
    """Mutual exclusion by key, for callers that would otherwise collide and start again. A lock is kept only while it
    is held or waited for."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Holds the lock of `key`; waiters get it in the order they came."""
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            users = self._locks[key][1] - 1
            if users:
                self._locks[key] = (lock, users)
            else:
                del self._locks[key]


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("abandoned_call_failed", exc_info=error)
