"""A cluster driven under one lease: cycle, rest, and again.

There is at most one cycle at a time, and each works towards the newest desired state: whatever is committed while it
runs is one reason for one more cycle, however many changes that were.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.drift.cluster_watch import ClusterWatch
from egress_server.delivery.drift.drift_watch import DriftWatch
from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.delivery.inventory_writer import InventoryWriter
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.reconcile import ReconcilePlan, plan_reconcile
from egress_server.delivery.restarts import Restarts
from egress_server.delivery.retry import RetryDecision, retry_decision
from egress_server.delivery.target_handle import TargetHandle
from egress_server.delivery.tracing import observed_apply
from egress_server.delivery.verifier import Verifier
from egress_server.delivery.waiting import wait_for_event
from egress_server.domain.desired.effective import without
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.render.expired_faults import expire_times
from egress_server.ports.target import PERMISSIONS_MISSING, Applied, Target
from egress_server.telemetry import metrics


class Reconciler:
    """What an applier does with `cluster` while it holds `lease`."""

    def __init__(
        self, cluster: str, shop: ApplierContext, lease: HeldLease, place: TargetHandle, fault_ends: FaultTTLEnforcer
    ) -> None:
        self.lease = lease
        self._cluster = cluster
        self._shop = shop
        self._status = shop.replica.statuses.get(cluster) or ClusterStatus(cluster, Phase.SETTLED)
        self._verifier = Verifier(cluster, shop, self._status, self._report)
        self._place = place
        self._fault_ends = fault_ends
        self._listening = ClusterWatch(cluster, shop, self.look_again)
        self._drift = DriftWatch(cluster, shop, self._status)
        self._inventory = InventoryWriter(cluster, shop)
        self._restarts = Restarts(
            cluster, shop, place, lease, self._status.restart, lambda progress: self._report(restart=progress)
        )
        self._quiet_until = 0.0
        self._seen = ("", 0)
        self._again = False
        self._heartbeat_at = 0.0
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Desired state has changed."""
        self._wake.set()

    def look_again(self) -> None:
        """The cluster is to be looked at although desired state has not changed."""
        self._again = True
        self._wake.set()

    def stop(self) -> None:
        """Ends `run` once the cycle in flight is done."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Drives the cluster until `stop`; raises an ExceptionGroup of LeaseLost when the lease is lost."""
        async with asyncio.TaskGroup() as group:
            beside = (self.lease.keep(), self._verifier.run(), self._inventory.run(), self._restarts.run())
            helpers = [group.create_task(each) for each in beside]
            try:
                await self._drive()
            finally:
                self._listening.stop()
            for helper in helpers:
                helper.cancel()

    async def _drive(self) -> None:
        failures = 0
        while not self._stopping:
            started = self._shop.monotonic()
            setback = await self._cycle(failures)
            failures = failures + 1 if setback else 0
            await self._rest(started, setback)

    async def _cycle(self, failures: int) -> RetryDecision | None:
        """One cycle; what became of it is in the cluster's record."""
        self._seen, self._again = self._newest(), False
        try:
            async with self._shop.slots:
                await self._work()
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails on a cluster, somebody must go on driving it
            setback = retry_decision(error, failures, self._shop.settings, self._shop.random)
            metrics.CYCLES.labels(setback.phase.value.lower()).inc()
            self._report(phase=setback.phase, problem=self._problem(setback), drift=self._drift.records)
            if setback.reason == PERMISSIONS_MISSING:
                await self._place.close()
            return setback
        return None

    async def _work(self) -> None:
        target = await self._place.open()
        self._listening.to(target)
        self.lease.check()
        live = await target.gather()
        self._inventory.found(live.inventory)
        self._restarts.saw(live.inventory)
        # Whatever forbids all else, faults end.
        ends = expire_times(live.objects.values())
        self._fault_ends.expect(ends)
        work = await plan_reconcile(self._cluster, target, live, self._shop, self.lease, self._drift)
        self._seen = (work.witness.epoch, work.witness.revision)
        applied = Applied()
        if not work.idle:
            self.lease.check()
            self._fault_ends.expect((*work.fault_ends, *ends))
            applied = await self._apply(target, work)
        self._fault_ends.expect(work.fault_ends)
        self._drift.settled(work.live, work.objects, changed=work.changing, refused=applied.obstacles.keys())
        self._settle(target, work, {**work.obstacles, **applied.obstacles})

    async def _apply(self, target: Target, work: ReconcilePlan) -> Applied:
        if not work.changes:
            return await target.apply(upsert=(), delete=(), witness=work.left_witness)
        self._verifier.hold()
        shop, revision = self._shop, work.witness.revision
        arrivals = shop.replica.arrivals(self._status.applied_revision, revision)
        try:
            with self._announced(), observed_apply(self._cluster, revision, arrivals):
                applied = await target.apply(upsert=work.upsert, delete=work.delete, witness=work.left_witness)
        except BaseException:
            self._drift.failed(work.changing)
            raise
        finally:
            self._quiet_until = shop.monotonic() + target.quiet
        if arrivals:
            age = shop.store_clock.now() - arrivals[0].accept_time
            metrics.ACCEPT_TO_APPLIED_SECONDS.observe(age.total_seconds())
        return applied

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Shows the cluster as APPLYING if it takes a while; most applies are over before anybody looks."""
        loop = asyncio.get_running_loop()
        late = loop.call_later(self._shop.settings.announce, lambda: self._report(phase=Phase.APPLYING, problem=None))
        try:
            yield
        finally:
            late.cancel()

    def _settle(self, target: Target, work: ReconcilePlan, obstacles: dict[str, Problem]) -> None:
        digest = self._status.applied_digest
        settled = replace(
            self._status,
            phase=Phase.SETTLED,
            problem=None,
            applied_revision=work.witness.revision,
            obstacles=obstacles or None,
            drift=self._drift.records,
            stale_workloads=_stale(work.live.inventory),
            applied_digest=self._drift.digest if work.changes or not digest else digest,
            faults_ended_to=work.faults_ended_to or self._status.faults_ended_to,
        )
        metrics.CYCLES.labels("changed" if work.changes else "unchanged").inc()
        if settled != self._status or not work.idle:
            self._status = settled
            self._report(apply_time=self._shop.clock())
        cluster = work.served.cluster
        self._restarts.ordered(None if cluster.draining else cluster.orders.restart)
        self._verifier.applied(without(work.served, obstacles), target, work.drifted)

    async def _rest(self, started: float, setback: RetryDecision | None) -> None:
        """Until a newer desired state, a retry or the resync calls for the next cycle."""
        settings, now = self._shop.settings, self._shop.monotonic()
        at_least = setback.at_least if setback else 0.0
        earliest = max(started + settings.pace, self._quiet_until, now + at_least)
        pause = settings.resync if setback is None or setback.retry_in is None else setback.retry_in
        latest = max(now + pause, earliest)
        while not self._stopping:
            now = self._shop.monotonic()
            news = self._again or self._newest() != self._seen
            if now >= latest or (news and now >= earliest):
                return
            if now >= self._heartbeat_at:
                self._report()
            until = min(latest, self._heartbeat_at, earliest if news else latest)
            self._wake.clear()
            await wait_for_event(self._wake, until - now)

    def _newest(self) -> tuple[str, int]:
        snapshot = self._shop.replica.snapshot
        return snapshot.epoch, snapshot.revision

    def _problem(self, setback: RetryDecision) -> Problem:
        pause = setback.retry_in
        retry_time = None if pause is None else self._shop.clock() + timedelta(seconds=pause)
        return Problem(setback.reason, setback.message, retry_time, setback.token)

    def _report(self, **changes: Any) -> None:
        """Changes the cluster's record and hands it on to the store."""
        self._heartbeat_at = self._shop.monotonic() + self._shop.settings.heartbeat
        now = self._shop.clock()
        self._status = replace(self._status, **changes, last_seen_time=now, fence=self.lease.fence)
        self._shop.statuses.submit(self._status)


def _stale(inventory: Inventory | None) -> int:
    return len(inventory.stale_workloads) + inventory.left_out.get("stale_workloads", 0) if inventory else 0
