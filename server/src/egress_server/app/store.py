"""The store of a process: an embedded one, which must open at the start, or an external one, which is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.aio.supervisor import HEALTH
from egress_server.domain.model.errors import EgressError, Unavailable
from egress_server.gateway.ops import Health
from egress_server.store.open import OpenStore, open_store

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(0.5, 2.0)


class ProcessStore:
    """The store of `mesh`, once it is `opened`, and the health of a process that needs it."""

    def __init__(self, mesh: str) -> None:
        self.opened: OpenStore | None = None
        self._mesh = mesh
        self._problem = "not opened yet"

    async def embedded(self, stack: AsyncExitStack, folder: Path) -> OpenStore:
        """Starts an embedded store in a folder; it stops with the stack. Raises as open_store."""
        self.opened = await stack.enter_async_context(open_store(folder, self._mesh))
        return self.opened

    async def external(self, stack: AsyncExitStack, url: str) -> OpenStore:
        """Opens the store at `url`, however long that takes.

        Raises FailedPrecondition if its configuration is unsuitable, InvalidArgument for a malformed URL.
        """
        self.opened = await self.retry(lambda: stack.enter_async_context(open_store(url, self._mesh)))
        return self.opened

    async def retry(self, step: Callable[[], Awaitable[T]]) -> T:
        """Takes a step of the start that needs the store, again until the store can be reached. The reason is logged
        whenever it changes."""
        failures = 0
        while True:
            try:
                return await step()
            except Unavailable as error:
                if error.message != self._problem:
                    _log.warning("waiting_for_store", reason=error.reason, message=error.message)
                self._problem = error.message
            failures += 1
            await asyncio.sleep(_BACKOFF.pause(failures))

    async def health(self) -> Health:
        """What makes the process unready, the store and essential tasks, and what else is down."""
        unready = HEALTH.down(essential=True)
        if problem := await self._unreachable():
            unready["store"] = problem
        return Health(unready, HEALTH.down(essential=False))

    async def _unreachable(self) -> str:
        if self.opened is None:
            return self._problem
        try:
            await self.opened.store.now()
        except EgressError as error:
            return error.message
        return ""
