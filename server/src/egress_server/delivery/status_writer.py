"""The appliers' records on their way to the store: those of one tick in one write.

A hundred clusters that settle together cost one script, and a cluster that settles twice meanwhile costs one record:
the newer one wins.
"""

import asyncio
from collections.abc import Callable

import structlog

from egress_server.domain.model.errors import EgressError
from egress_server.domain.model.status import ClusterStatus
from egress_server.ports.store import ApplierStore

_log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.003
_RETRY_SECONDS = 0.5


class StatusWriter:
    """Writes records in the background. `refused` is told of clusters that a younger applier has taken over."""

    def __init__(self, store: ApplierStore, mesh: str, refused: Callable[[str], None]) -> None:
        self._store = store
        self._mesh = mesh
        self._refused = refused
        self._waiting: dict[str, ClusterStatus] = {}
        self._filled = asyncio.Event()

    def submit(self, status: ClusterStatus) -> None:
        """Takes a record; it is written within milliseconds, or once the store is back."""
        self._waiting[status.cluster] = status
        self._filled.set()

    async def run(self) -> None:
        """Writes what is submitted, until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_TICK_SECONDS)
            try:
                await self.flush()
            except EgressError as error:
                _log.warning("status_not_written", reason=error.reason, message=error.message)
                await asyncio.sleep(_RETRY_SECONDS)

    async def flush(self) -> None:
        """Writes what waits. Raises what the store raises; the records then wait on."""
        self._filled.clear()
        batch, self._waiting = self._waiting, {}
        if not batch:
            return
        try:
            refused = await self._store.put_status(self._mesh, list(batch.values()))
        except BaseException:
            self._waiting = batch | self._waiting
            self._filled.set()
            raise
        for cluster in refused:
            self._refused(cluster)
