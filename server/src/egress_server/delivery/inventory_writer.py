"""What a cluster holds besides ours, on its way to the store: when it has changed, and not all the time.

A record is large, and a busy cluster changes all the time. Nothing waits for this, and no cycle fails by it.
"""

import asyncio
from dataclasses import replace

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.domain.model.errors import EgressError
from egress_server.domain.observed.inventory import Inventory

_log = structlog.get_logger(__name__)


class InventoryWriter:
    """The inventory of one cluster under one lease."""

    def __init__(self, cluster: str, shop: ApplierContext) -> None:
        self._cluster = cluster
        self._shop = shop
        self._known = shop.replica.inventories.get(cluster)
        self._put_at = shop.monotonic()
        self._found: Inventory | None = None
        self._news = asyncio.Event()

    def found(self, inventory: Inventory | None) -> None:
        """What was gathered; None where the cluster can't tell."""
        if inventory is not None:
            self._found = inventory
            self._news.set()

    async def run(self) -> None:
        """Writes what is found, until cancelled."""
        while True:
            if self._is_due():
                await self._put()
                # However much comes meanwhile, the newest is written then.
                await asyncio.sleep(self._shop.settings.inventory_pace)
            else:
                self._news.clear()
                await self._news.wait()

    def _is_due(self) -> bool:
        """Whether it says something new, or the store's looks old by now."""
        found, known = self._found, self._known
        if found is None or found is known:
            return False
        if known is None or self._shop.monotonic() >= self._put_at + self._shop.settings.inventory_refresh:
            return True
        return replace(found, observe_time=known.observe_time) != known

    async def _put(self) -> None:
        found = self._found
        assert found is not None
        try:
            await self._shop.store.put_inventory(self._shop.mesh, found)
        except EgressError as error:
            _log.warning("inventory_not_written", cluster=self._cluster, reason=error.reason, message=error.message)
            return
        self._known, self._put_at = found, self._shop.monotonic()


async def drop_inventory(cluster: str, shop: ApplierContext) -> None:
    """The cluster is no longer registered: what it holds is nobody's business."""
    try:
        await shop.store.drop_inventory(shop.mesh, cluster)
    except EgressError as error:
        _log.warning("inventory_not_dropped", cluster=cluster, reason=error.reason, message=error.message)
