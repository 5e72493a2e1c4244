"""How tests wait for what is not announced: for a condition, never for a clock.

Each wait has a limit, which only a test that fails ever reaches, so it is generous: the machine may be busy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")
Ignored = type[Exception] | tuple[type[Exception], ...]

PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.01


class TimedOut(AssertionError):
    """A condition did not come true in time."""


def eventually(
    condition: Callable[[], T],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    poll: float = _POLL_SECONDS,
    ignoring: Ignored = (),
) -> T:
    """Calls `condition` until its result is true, and returns that. An exception that is `ignored` counts as false; the
    last one is in the message of TimedOut, with `what` was waited for."""
    give_up = time.monotonic() + seconds
    while True:
        problem: Exception | None = None
        try:
            if result := condition():
                return result
        except ignoring as error:
            problem = error
        if time.monotonic() > give_up:
            raise _timed_out(condition, what, seconds, problem) from problem
        time.sleep(poll)


@overload
async def until(
    condition: Callable[[], Awaitable[T]],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    poll: float = _POLL_SECONDS,
    ignoring: Ignored = (),
) -> T: ...


@overload
async def until(
    condition: Callable[[], T],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    poll: float = _POLL_SECONDS,
    ignoring: Ignored = (),
) -> T: ...


async def until(
    condition: Callable[[], Any],
    what: str = "",
    *,
    seconds: float = PATIENCE_SECONDS,
    poll: float = _POLL_SECONDS,
    ignoring: Ignored = (),
) -> Any:
    """As `eventually`, on the event loop and in its time. `condition` may be a coroutine function."""
    problem: Exception | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    found = condition()
                    if result := (await found if isawaitable(found) else found):
                        return result
                    problem = None
                except ignoring as error:
                    problem = error
                await asyncio.sleep(poll)
    except TimeoutError:
        raise _timed_out(condition, what, seconds, problem) from problem


def _timed_out(condition: object, what: str, seconds: float, problem: Exception | None) -> TimedOut:
    name = what or getattr(condition, "__qualname__", "the condition")
    reason = f": {type(problem).__name__}: {problem}" if problem else ""
    return TimedOut(f"not within {seconds:g} s: {name}{reason}")
