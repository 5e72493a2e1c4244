"""Restarts workloads on request, one after the other, concurrently with the reconcile loop.

Progress is in the cluster's status after each, so that an applier that takes the cluster over continues from there. The
first workload that does not become ready ends the request: the cause would likely affect the next one, too.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import structlog

from egress_server.delivery.context import INTERNAL_ERROR, ApplierContext
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.target_handle import TargetHandle
from egress_server.domain.model.clusters import RestartOrder
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.status import RestartProgress, RestartState
from egress_server.domain.observed.inventory import Inventory, StaleWorkload

_log = structlog.get_logger(__name__)


class Restarts:
    """The restarts on one cluster under one lease. `progress` is what the status says at its start, `report` is called
    with each change of it."""

    def __init__(
        self,
        cluster: str,
        context: ApplierContext,
        target: TargetHandle,
        lease: HeldLease,
        progress: RestartProgress | None,
        report: Callable[[RestartProgress], None],
    ) -> None:
        self._cluster = cluster
        self._context = context
        self._target = target
        self._lease = lease
        self._progress = progress
        self._report = report
        self._order: RestartOrder | None = None
        self._inventory: Inventory | None = None
        self._wake = asyncio.Event()

    def observed(self, inventory: Inventory | None) -> None:
        """What the cluster holds now."""
        self._inventory = inventory

    def ordered(self, order: RestartOrder | None) -> None:
        """The current request; it replaces the one under way once the workload in flight is ready."""
        if order != self._order:
            self._order = order
            self._wake.set()

    async def run(self) -> None:
        """Carries out requests until cancelled. Raises LeaseLost."""
        while True:
            self._wake.clear()
            order = self._order
            if order is None or self._is_over(order):
                await self._wake.wait()
            else:
                await self._carry_out(order)

    def _is_over(self, order: RestartOrder) -> bool:
        progress = self._progress
        return progress is not None and progress.id == order.id and progress.state is not RestartState.RUNNING

    async def _carry_out(self, order: RestartOrder) -> None:
        if self._progress is None or self._progress.id != order.id:
            self._update(RestartProgress(order.id, RestartState.RUNNING))
        workloads = order.workloads or await self._stale()
        done = self._with().done
        for number, workload in enumerate(each for each in dict.fromkeys(workloads) if each not in done):
            await asyncio.sleep(self._context.settings.restart_pause if number else 0.0)
            if not await self._restart(order, workload):
                return
            self._update(self._with(done=(*self._with().done, workload), message=""))
        self._update(self._with(state=RestartState.DONE, message=self._left_over(order)))

    async def _stale(self) -> tuple[str, ...]:
        """The stale workloads, which are known a moment after new rules were applied."""
        await asyncio.sleep(self._context.settings.restart_settle)
        return tuple(f"{each.kind}/{each.namespace}/{each.name}" for each in self._observed_stale(restartable=True))

    def _observed_stale(self, *, restartable: bool) -> list[StaleWorkload]:
        stale = self._inventory.stale_workloads if self._inventory else ()
        return [each for each in stale if each.restartable is restartable]

    def _left_over(self, order: RestartOrder) -> str:
        """What a request for all stale workloads could not restart."""
        left = self._observed_stale(restartable=False)
        if order.workloads or not left:
            return ""
        example = f"{left[0].kind} {left[0].namespace}/{left[0].name}"
        return f"a restart would not help, replace manually: {len(left)}, such as {example}"

    async def _restart(self, order: RestartOrder, workload: str) -> bool:
        """Whether it is ready and the next may follow."""
        for failures in count(1):
            if self._order != order:
                return False
            try:
                self._lease.check()
                await (await self._target.open()).restart(workload)
            except TransientError as error:
                self._update(self._with(message=f"retrying {workload}: {error.message}"))
                pause = self._context.settings.backoff.pause(failures, self._context.random)
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            except PermanentError as error:
                return self._stop(workload, error.message)
            except LeaseLost:
                raise
            except Exception:  # noqa: BLE001 - the next workload may run into the same bug
                _log.exception("restart_crashed", cluster=self._cluster, workload=workload)
                return self._stop(workload, INTERNAL_ERROR)
            else:
                break
        return True

    def _stop(self, workload: str, reason: str) -> bool:
        self._update(self._with(state=RestartState.STOPPED, failed=workload, message=reason))
        return False

    def _with(self, **changes: Any) -> RestartProgress:
        assert self._progress is not None
        return replace(self._progress, **changes)

    def _update(self, progress: RestartProgress) -> None:
        self._progress = progress
        _log.info(
            "restart_progress",
            cluster=self._cluster,
            order=progress.id,
            state=progress.state.value,
            done=len(progress.done),
            failed=progress.failed,
            message=progress.message,
        )
        self._report(progress)
