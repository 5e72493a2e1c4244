"""The store of a process: opened at once or not at all where it is our own, waited for where it is somebody else's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import structlog

from egress_server.app.identity import MESH
from egress_server.domain.model.errors import EgressError, Unavailable
from egress_server.store.opening import OpenStore, open_store

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0


class Storage:
    """The store once it is `opened`, and what is to be said of it until then."""

    def __init__(self) -> None:
        self.opened: OpenStore | None = None
        self._why = "not opened yet"

    async def embedded(self, stack: AsyncExitStack, folder: Path) -> OpenStore:
        """Starts our own in a folder; it stops with the stack. Raises as open_store."""
        self.opened = await stack.enter_async_context(open_store(folder, MESH))
        return self.opened

    async def external(self, stack: AsyncExitStack, url: str) -> OpenStore:
        """Opens the one at `url`, however long that takes.

        Raises FailedPrecondition where it is not fit, InvalidArgument for a wrong URL.
        """
        self.opened = await self.patiently(lambda: stack.enter_async_context(open_store(url, MESH)))
        return self.opened

    async def patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Takes a step at the start for which the store is needed, again and again while it can't be reached. Logs why,
        and again where that changes."""
        while True:
            try:
                return await step()
            except Unavailable as error:
                if error.message != self._why:
                    _log.warning("store_awaited", reason=error.reason, message=error.message)
                self._why = error.message
            await asyncio.sleep(_RETRY_SECONDS)

    async def readiness(self) -> Mapping[str, str]:
        """For operators: why the store can't be used; empty where it can."""
        if self.opened is None:
            return {"store": self._why}
        try:
            await self.opened.store.now()
        except EgressError as error:
            return {"store": error.message}
        return {}
