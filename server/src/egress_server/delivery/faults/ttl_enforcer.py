"""Ends faults on one cluster on time, with nothing but the cluster: the store may be unreachable and the lease lost.

Status and history follow later.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.aio.waiting import wait_for_event
from egress_server.delivery.target_handle import TargetHandle
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.render.expired_faults import expire_times

_log = structlog.get_logger(__name__)

_RETRY = Backoff(1.0, 1.0)
_SCAN_SECONDS = 30.0
_SCAN_RETRY_SECONDS = 2.0


class FaultTTLEnforcer:
    """Removes faults from the cluster behind `target` when they end. `seconds_until` tells the time left to a moment;
    `ended` is called after a removal."""

    def __init__(
        self,
        cluster: str,
        target: TargetHandle,
        seconds_until: Callable[[datetime], float],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._target = target
        self._seconds_until = seconds_until
        self._ended = ended
        self._ends: list[datetime] = []
        self._wake = asyncio.Event()

    def schedule(self, ends: Iterable[datetime]) -> None:
        """When the faults that the cluster holds now end."""
        self._ends = sorted(set(ends))
        self._wake.set()

    async def scan(self) -> float:
        """Reads from the cluster itself when its faults end, if no applier with a store can say. Returns the seconds
        until the next scan: the cluster may not have answered, or an applier with a store may add faults."""
        try:
            target = await self._target.open()
            live = await target.gather()
        except (TransientError, PermanentError) as error:
            _log.warning("fault_scan_failed", cluster=self._cluster, reason=error.reason, message=error.message)
            return _SCAN_RETRY_SECONDS
        self.schedule(expire_times(live.objects.values()))
        return _SCAN_SECONDS

    async def run(self) -> None:
        """Ends faults until cancelled."""
        while True:
            self._wake.clear()
            if not self._ends:
                await self._wake.wait()
                continue
            end = self._ends[0]
            left = self._seconds_until(end)
            if left > 0:
                await wait_for_event(self._wake, left)
            elif await self._remove_ended(end):
                self._ends = [later for later in self._ends if later > end]
                self._ended()
            else:
                await wait_for_event(self._wake, _RETRY.pause(1))

    async def _remove_ended(self, end: datetime) -> bool:
        """False if the cluster can't be changed now."""
        try:
            target = await self._target.open()
            await target.strip_ended(end)
        except (TransientError, PermanentError) as error:
            _log.warning("fault_not_removed", cluster=self._cluster, reason=error.reason, message=error.message)
            return False
        _log.info("faults_ended", cluster=self._cluster, until=end.isoformat())
        return True
