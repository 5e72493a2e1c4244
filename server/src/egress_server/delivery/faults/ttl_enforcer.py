"""Ends faults on one cluster on time, with nothing but the cluster: the store may be away, and our lease with it.

What the store is told of it, and what else a cycle has to tidy up, comes after.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

import structlog

from egress_server.delivery.waiting import wait_for_event
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.render.expired_faults import expire_times
from egress_server.ports.target import Target

_log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 30.0
_LOOK_RETRY_SECONDS = 2.0


class Opens(Protocol):
    """Where the cluster is."""

    async def open(self) -> Target:
        """Its target; raises TransientError or PermanentError where it can't be opened."""


class FaultTTLEnforcer:
    """The ends of the faults that `place` holds. `left` tells the seconds until a moment; `ended` is called when one
    has been taken out."""

    def __init__(
        self, cluster: str, place: Opens, left: Callable[[datetime], float], ended: Callable[[], None] = lambda: None
    ) -> None:
        self._cluster = cluster
        self._place = place
        self._left = left
        self._ended = ended
        self._ends: list[datetime] = []
        self._news = asyncio.Event()

    def expect(self, ends: Iterable[datetime]) -> None:
        """When the faults end that the cluster holds now."""
        self._ends = sorted(set(ends))
        self._news.set()

    async def look(self) -> float:
        """Reads from the cluster itself when its faults end, where nobody can say. Returns the seconds after which it
        is time to look again: it may not have answered, or an applier that has the store may set more faults."""
        try:
            target = await self._place.open()
            live = await target.gather()
        except (TransientError, PermanentError) as error:
            _log.warning("faults_not_seen", cluster=self._cluster, reason=error.reason, message=error.message)
            return _LOOK_RETRY_SECONDS
        except Exception:  # noqa: BLE001 - another look may go well
            _log.exception("look_crashed", cluster=self._cluster)
            return _LOOK_RETRY_SECONDS
        self.expect(expire_times(live.objects.values()))
        return _LOOK_SECONDS

    async def run(self) -> None:
        """Ends faults until cancelled."""
        while True:
            self._news.clear()
            if not self._ends:
                await self._news.wait()
                continue
            end = self._ends[0]
            left = self._left(end)
            if left > 0:
                await wait_for_event(self._news, left)
            elif await self._strip(end):
                self._ends = [later for later in self._ends if later > end]
                self._ended()
            else:
                await wait_for_event(self._news, _RETRY_SECONDS)

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
        _log.info("faults_ended", cluster=self._cluster, until=end.isoformat())
        return True
