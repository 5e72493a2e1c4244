"""Ends faults on one cluster on time, with nothing but the cluster: the store may be away, and our lease with it.

What the store is told of it, and what else a cycle has to tidy up, comes after.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from egress_server.delivery.place import Place
from egress_server.delivery.shop import Shop
from egress_server.delivery.waiting import wait_for
from egress_server.domain.errors import PermanentError, TransientError

_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0


class FaultEnds:
    """The ends of the faults that `place` holds. `ended` is called when one has been taken out."""

    def __init__(self, cluster: str, shop: Shop, place: Place, ended: Callable[[], None]) -> None:
        self._cluster = cluster
        self._shop = shop
        self._place = place
        self._ended = ended
        self._ends: list[datetime] = []
        self._news = asyncio.Event()

    def expect(self, ends: Iterable[datetime]) -> None:
        """When the faults end that the cluster holds now."""
        self._ends = sorted(set(ends))
        self._news.set()

    async def run(self) -> None:
        """Ends faults until cancelled."""
        while True:
            self._news.clear()
            if not self._ends:
                await self._news.wait()
                continue
            end = self._ends[0]
            left = self._shop.store_clock.moment(end) - self._shop.monotonic()
            if left > 0:
                await wait_for(self._news, left)
            elif await self._strip(end):
                self._ends = [later for later in self._ends if later > end]
                self._ended()
            else:
                await wait_for(self._news, _RETRY_SECONDS)

    async def _strip(self, end: datetime) -> bool:
        """False where the cluster did not let us."""
        try:
            target = await self._place.open()
            await target.strip_ended(end)
        except (TransientError, PermanentError) as error:
            _log.warning("fault_not_ended", cluster=self._cluster, reason=error.reason, message=error.message)
            return False
        except Exception:  # noqa: BLE001 - whatever it is, the fault must end
            _log.exception("fault_end_crashed", cluster=self._cluster)
            return False
        return True
