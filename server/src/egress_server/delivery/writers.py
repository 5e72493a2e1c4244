"""Writes the appliers' records to the store in the background: statuses batched, inventories at a bounded rate."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.errors import EgressError
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.clock import Monotonic
from egress_server.ports.store import ApplierStore

_log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.003


class StatusWriter:
    """Writes the statuses of one tick in one script: the clusters that settle together cost one write, and of one
    cluster only the newest status counts. `fenced` is called with clusters that a newer applier has taken over."""

    def __init__(self, store: ApplierStore, mesh: str, fenced: Callable[[str], None]) -> None:
        self._store = store
        self._mesh = mesh
        self._fenced = fenced
        self._waiting: dict[str, ClusterStatus] = {}
        self._filled = asyncio.Event()

    def submit(self, status: ClusterStatus) -> None:
        """Takes a status, to be written within milliseconds, or once the store can be reached."""
        self._waiting[status.cluster] = status
        self._filled.set()

    async def run(self) -> None:
        """Writes what is submitted until cancelled. Raises as `flush`."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_TICK_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what is waiting. Raises what the store raises; nothing is lost then."""
        self._filled.clear()
        batch, self._waiting = self._waiting, {}
        if not batch:
            return
        try:
            fenced = await self._store.put_status(self._mesh, list(batch.values()))
        except BaseException:
            self._waiting = batch | self._waiting
            self._filled.set()
            raise
        for cluster in fenced:
            self._fenced(cluster)


class InventoryWriter:
    """Writes the inventory of one cluster when it has changed, `known` being what the store has.

    An inventory is large, and a busy cluster changes all the time. No reconcile waits for this or fails by it.
    """

    def __init__(
        self,
        store: ApplierStore,
        mesh: str,
        known: Inventory | None,
        settings: DeliverySettings,
        monotonic: Monotonic,
    ) -> None:
        self._store = store
        self._mesh = mesh
        self._known = known
        self._settings = settings
        self._monotonic = monotonic
        self._written_at = monotonic()
        self._found: Inventory | None = None
        self._wake = asyncio.Event()

    def submit(self, inventory: Inventory | None) -> None:
        """Takes what was observed; None if the target can't observe anything."""
        if inventory is not None:
            self._found = inventory
            self._wake.set()

    async def run(self) -> None:
        """Writes what is submitted until cancelled. Raises what the store raises; the inventory is then still due."""
        while True:
            if (found := self._due()) is not None:
                await self._store.put_inventory(self._mesh, found)
                self._known, self._written_at = found, self._monotonic()
                # However much changes meanwhile, only the newest is written next.
                await asyncio.sleep(self._settings.inventory_pace)
            else:
                self._wake.clear()
                await self._wake.wait()

    def _due(self) -> Inventory | None:
        """What was found, if it says something new or the store's is old."""
        found, known = self._found, self._known
        if found is None or found is known:
            return None
        if known is None or self._monotonic() >= self._written_at + self._settings.inventory_refresh:
            return found
        return found if replace(found, observe_time=known.observe_time) != known else None


async def drop_inventory(store: ApplierStore, mesh: str, cluster: str) -> None:
    """Removes the inventory of a cluster that is no longer registered. A failure is logged."""
    try:
        await store.drop_inventory(mesh, cluster)
    except EgressError as error:
        _log.warning("inventory_not_dropped", cluster=cluster, reason=error.reason, message=error.message)
