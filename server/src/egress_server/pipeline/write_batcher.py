"""Groups concurrent mutations, as group commit does.

A mutation that runs between other network events costs about twice as much as one that runs directly after another
mutation: its code has left the CPU caches, and its commit and its reply each need their own write and flush. So while
some mutations are in progress, new ones wait until these are done, but never long, and then start together. A single
caller never waits.
"""

import asyncio

FREE = 2
"""Number of mutations that may be in progress before others wait."""
MAX_WAIT_SECONDS = 0.004
"""The longest time that the first mutation of a group waits."""


class WriteBatcher:
    """An async context manager around each mutation."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        if self._running >= FREE or self._waiting:
            await self._group_start()
        self._running += 1

    async def __aexit__(self, *_: object) -> None:
        self._running -= 1
        if not self._running:
            self._start_group()

    def _group_start(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._timer = loop.call_later(MAX_WAIT_SECONDS, self._start_group)
        started: asyncio.Future[None] = loop.create_future()
        self._waiting.append(started)
        return started

    def _start_group(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._waiting = self._waiting, []
        for started in group:
            if not started.done():  # done if its call was cancelled
                started.set_result(None)
