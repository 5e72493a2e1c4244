"""Restarts workloads because somebody ordered it, one after the other and beside the cycles.

What is done is in the cluster's record after each, so that whoever takes the cluster over goes on from there. The first
workload that does not come back ends it: what made that one fail would make the next one fail.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.retry import backoff
from egress_server.delivery.target_handle import TargetHandle
from egress_server.domain.model.clusters import RestartOrder
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.status import RestartProgress, RestartState
from egress_server.domain.observed.inventory import Inventory, StaleWorkload

_log = structlog.get_logger(__name__)


class Restarts:
    """The restarts on one cluster under one lease. `progress` is what the last applier told, `report` takes news."""

    def __init__(
        self,
        cluster: str,
        shop: ApplierContext,
        place: TargetHandle,
        lease: HeldLease,
        progress: RestartProgress | None,
        report: Callable[[RestartProgress], None],
    ) -> None:
        self._cluster = cluster
        self._shop = shop
        self._place = place
        self._lease = lease
        self._progress = progress
        self._report = report
        self._order: RestartOrder | None = None
        self._inventory: Inventory | None = None
        self._news = asyncio.Event()

    def saw(self, inventory: Inventory | None) -> None:
        """What was gathered."""
        self._inventory = inventory

    def ordered(self, order: RestartOrder | None) -> None:
        """The last order as of now; it takes the place of another one once the workload in flight is back."""
        if order != self._order:
            self._order = order
            self._news.set()

    async def run(self) -> None:
        """Carries orders out until cancelled. Raises LeaseLost."""
        while True:
            self._news.clear()
            order = self._order
            if order is None or self._is_over(order):
                await self._news.wait()
            else:
                await self._carry_out(order)

    def _is_over(self, order: RestartOrder) -> bool:
        progress = self._progress
        return progress is not None and progress.id == order.id and progress.state is not RestartState.RUNNING

    async def _carry_out(self, order: RestartOrder) -> None:
        if self._progress is None or self._progress.id != order.id:
            self._tell(RestartProgress(order.id, RestartState.RUNNING))
        workloads = order.workloads or await self._stale()
        done = self._told().done
        for number, workload in enumerate(each for each in dict.fromkeys(workloads) if each not in done):
            await asyncio.sleep(self._shop.settings.restart_pause if number else 0.0)
            if not await self._restart(order, workload):
                return
            self._tell(self._told(done=(*self._told().done, workload), message=""))
        self._tell(self._told(state=RestartState.DONE, message=self._left_over(order)))

    async def _stale(self) -> tuple[str, ...]:
        """What runs under older rules. That is found a moment after new rules were applied."""
        await asyncio.sleep(self._shop.settings.restart_settle)
        return tuple(f"{each.kind}/{each.namespace}/{each.name}" for each in self._seen_stale(restartable=True))

    def _seen_stale(self, *, restartable: bool) -> list[StaleWorkload]:
        stale = self._inventory.stale_workloads if self._inventory else ()
        return [each for each in stale if each.restartable is restartable]

    def _left_over(self, order: RestartOrder) -> str:
        """What an order of all that is stale could not do."""
        left = self._seen_stale(restartable=False)
        if order.workloads or not left:
            return ""
        example = f"{left[0].kind} {left[0].namespace}/{left[0].name}"
        return f"left to replace by hand, since a restart would not: {len(left)}, such as {example}"

    async def _restart(self, order: RestartOrder, workload: str) -> bool:
        """Whether it is back and the next may follow."""
        for failures in count():
            if self._order != order:
                return False
            try:
                self._lease.check()
                await (await self._place.open()).restart(workload)
            except TransientError as error:
                self._tell(self._told(message=f"{workload} is tried again: {error.message}"))
                pause = backoff(failures, self._shop.settings, self._shop.random)
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            except PermanentError as error:
                return self._stop(workload, error.message)
            except LeaseLost:
                raise
            except Exception:  # noqa: BLE001 - a bug at this one may be one at the next
                _log.exception("restart_crashed", cluster=self._cluster, workload=workload)
                return self._stop(workload, "an error of mesh-egress itself; its log says more")
            else:
                break
        return True

    def _stop(self, workload: str, why: str) -> bool:
        self._tell(self._told(state=RestartState.STOPPED, failed=workload, message=why))
        return False

    def _told(self, **changes: Any) -> RestartProgress:
        assert self._progress is not None
        return replace(self._progress, **changes)

    def _tell(self, progress: RestartProgress) -> None:
        self._progress = progress
        _log.info(
            "restart",
            cluster=self._cluster,
            order=progress.id,
            state=progress.state.value,
            done=len(progress.done),
            failed=progress.failed,
            message=progress.message,
        )
        self._report(progress)
