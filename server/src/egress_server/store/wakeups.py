"""Waiting for changes within this process: a waiter costs Redis nothing."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count


class _Watcher(AsyncIterator[None]):
    """Remembers that something has changed since it was last asked; how often does not matter."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def __anext__(self) -> None:
        await self.changed.wait()
        self.changed.clear()


class Wakeups:
    """Wakes watchers at every change, and those who wait for a revision once it is reached."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @property
    def watching(self) -> int:
        """The number of watchers."""
        return len(self._watchers)

    def notify(self, revision: int) -> None:
        """Something has changed, and `revision` is reached."""
        for watcher in self._watchers:
            watcher.changed.set()
        while self._waiters and self._waiters[0][0] <= revision:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, revision: int, timeout: float) -> bool:
        """Waits until `revision` is reached; False after `timeout` seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (revision, next(self._order), waiter)
        heapq.heappush(self._waiters, entry)
        try:
            await asyncio.wait_for(waiter, timeout)
        except TimeoutError:
            return False
        finally:
            if waiter.cancelled() and entry in self._waiters:
                self._waiters.remove(entry)
                heapq.heapify(self._waiters)
        return True

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[None]]:
        """A watcher that misses no change from here on."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
