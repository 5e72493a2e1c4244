"""Lets mutations in by groups while several are under way: the difference between one at a time and group commit.

A mutation that runs between others' network events costs about twice as much as one that runs right after another
mutation: its code has left the processor's caches, its commit is a write to the store and a flush of the disk of its
own, and so is its reply. So while some are under way, those that come wait until these are done (but never long) and go
in together. A caller who is alone never waits.
"""

import asyncio

FREE = 2
"""Mutations that may be under way before others wait."""
LONGEST_SECONDS = 0.004
"""How long the first of a group waits where those under way take longer."""


class WriteBatcher:
    """An async context manager around each mutation."""

    def __init__(self) -> None:
        self._inside = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        if self._inside >= FREE or self._waiting:
            await self._opening()
        self._inside += 1

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._open()

    def _opening(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._timer = loop.call_later(LONGEST_SECONDS, self._open)
        opened: asyncio.Future[None] = loop.create_future()
        self._waiting.append(opened)
        return opened

    def _open(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._waiting = self._waiting, []
        for opened in group:
            if not opened.done():  # a call that was cancelled
                opened.set_result(None)
