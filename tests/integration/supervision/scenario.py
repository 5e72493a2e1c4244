"""What a supervised task is tested with: a dependency that fails on demand, and a check that the task does its job. The
fault comes through a port that the task uses anyway; the code under test is not patched.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from egress_server.aio.tasks import Task
from tests.support.waiting import until

T = TypeVar("T")


class Unforeseen(Exception):
    """An exception that no code expects."""


class Fault:
    """Raises Unforeseen at the next calls, and remembers when; counts the calls that it lets `passed`."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.passed = 0
        self._left = 0

    def arm(self, times: int | None) -> None:
        """So many calls will fail; None: all."""
        self._left = -1 if times is None else times

    def heal(self) -> None:
        """No more calls fail."""
        self._left = 0

    @property
    def armed(self) -> bool:
        """Whether the next call fails."""
        return self._left != 0

    def strike(self, *_: object, **__: object) -> None:
        """Called by everything that may fail."""
        if not self.armed:
            self.passed += 1
            return
        self._left -= 1
        self.times.append(asyncio.get_running_loop().time())
        raise Unforeseen("secret")

    async def next_pass(self) -> None:
        """Waits until one more call succeeds."""
        before = self.passed
        await until(lambda: self.passed > before)


class _Failing:
    """Forwards everything, and fails when one attribute is used."""

    def __init__(self, inner: Any, attribute: str, strike: Callable[..., None], *, called: bool) -> None:
        self._inner = inner
        self._attribute = attribute
        self._strike = strike
        self._called = called

    def __getitem__(self, key: Any) -> Any:
        return self._inner[key]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._attribute:
            return found
        if not self._called:
            self._strike()
            return found

        def call(*args: Any, **options: Any) -> Any:
            self._strike(*args, **options)
            return found(*args, **options)

        return call


def failing(port: T, method: str, strike: Callable[..., None]) -> T:
    """The port, of which one method first calls `strike` with its arguments."""
    return cast("T", _Failing(port, method, strike, called=True))


def failing_property(port: T, name: str, strike: Callable[..., None]) -> T:
    """The port, of which one property first calls `strike`."""
    return cast("T", _Failing(port, name, strike, called=False))


def only(fault: Fault, *about: object) -> Callable[..., None]:
    """Fails only calls with one of these arguments."""

    def strike(*args: object, **_: object) -> None:
        if any(each in args for each in about):
            fault.strike()

    return strike


async def nothing() -> None:
    """Nothing to do."""


@dataclass(frozen=True)
class Job:
    """A task at work.

    `provoke` makes it run into the fault, if it would not by itself. `works` has it do its job and returns when that is
    done. `rest` shows that everything else goes on while the task is down.
    """

    works: Callable[[], Awaitable[None]]
    provoke: Callable[[], Awaitable[None]] = nothing
    rest: Callable[[], Awaitable[None]] = nothing


Open: TypeAlias = Callable[[Fault, Path], AsyncIterator[Job]]


@dataclass(frozen=True)
class Scenario:
    """How one task is tested; in `virtual` time if no socket, thread or process is involved."""

    task: Task
    open: Open
    virtual: bool


@dataclass
class Scenarios:
    """All scenarios, by the name of the task."""

    found: dict[str, Scenario] = field(default_factory=dict)

    def add(self, task: Task, *, virtual: bool = True) -> Callable[[Open], Open]:
        """Decorates a generator that opens the scenario, yields its Job, and closes it."""

        def register(open_: Open) -> Open:
            assert task.value.name not in self.found
            self.found[task.value.name] = Scenario(task, open_, virtual)
            return open_

        return register


SCENARIOS = Scenarios()
