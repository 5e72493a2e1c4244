"""The reconcile loop of one cluster while its lease is held.

There is at most one reconcile at a time, and each works towards the newest desired state: however many changes are
committed while it runs, one more reconcile follows.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from time import perf_counter
from typing import Any

from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.aio.waiting import wait_for_event
from egress_server.delivery.context import ApplierContext
from egress_server.delivery.drift.cluster_watch import ClusterWatch
from egress_server.delivery.drift.detector import DriftDetector
from egress_server.delivery.faults.ttl_enforcer import FaultTTLEnforcer
from egress_server.delivery.leases import HeldLease, LeaseLost
from egress_server.delivery.reconcile.plan import ReconcilePlan, plan_reconcile, with_held
from egress_server.delivery.reconcile.retry import RetryDecision, retry_decision
from egress_server.delivery.restarts import Restarts
from egress_server.delivery.target_handle import TargetHandle
from egress_server.delivery.verifier import Verifier
from egress_server.delivery.writers import InventoryWriter
from egress_server.domain.desired.effective import without
from egress_server.domain.model.errors import EgressError, PermanentError, TransientError
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.render.expired_faults import expire_times
from egress_server.ports.target import PERMISSIONS_MISSING, Applied, Target
from egress_server.telemetry import metrics
from egress_server.telemetry.tracing import apply_span


class Reconciler:
    """Reconciles `cluster` while this process holds `lease`."""

    def __init__(
        self, cluster: str, context: ApplierContext, lease: HeldLease, target: TargetHandle, faults: FaultTTLEnforcer
    ) -> None:
        self.lease = lease
        self._cluster = cluster
        self._context = context
        self._target = target
        self._faults = faults
        self._status = context.replica.statuses.get(cluster) or ClusterStatus(cluster, Phase.SETTLED)
        self._verifier = Verifier(cluster, context, self._status, self._report)
        self._watch = ClusterWatch(context.settings, self.requeue)
        self._drift = DriftDetector(cluster, context, self._status)
        self._inventory = InventoryWriter(
            context.store,
            context.mesh,
            context.replica.inventories.get(cluster),
            context.settings,
            context.monotonic,
        )
        self._restarts = Restarts(
            cluster, context, target, lease, self._status.restart, lambda progress: self._report(restart=progress)
        )
        self._quiet_until = 0.0
        self._reconciled = ("", 0)
        self._requeued = False
        self._heartbeat_at = 0.0
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Desired state has changed."""
        self._wake.set()

    def requeue(self) -> None:
        """Reconcile although desired state has not changed."""
        self._requeued = True
        self._wake.set()

    def stop(self) -> None:
        """Ends `run` after the reconcile in flight."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Reconciles until `stop`. Raises an ExceptionGroup of LeaseLost when the lease is lost."""
        name = self._cluster
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(each)
                for each in (
                    supervise(Task.LEASE_KEEPER, self.lease.keep, passes=(LeaseLost,), cluster=name),
                    supervise(Task.VERIFIER, self._verifier.run, cluster=name),
                    supervise(Task.INVENTORY_WRITER, self._inventory.run, expected=(EgressError,), cluster=name),
                    supervise(Task.RESTARTS, self._restarts.run, passes=(LeaseLost,), cluster=name),
                    supervise(
                        Task.CLUSTER_WATCH, self._watch.run, expected=(TransientError, PermanentError), cluster=name
                    ),
                )
            ]
            await self._reconcile_until_stopped()
            for helper in helpers:
                helper.cancel()

    async def _reconcile_until_stopped(self) -> None:
        failures = 0
        while not self._stopping:
            started = self._context.monotonic()
            retry = await self._reconcile(failures)
            failures = failures + 1 if retry else 0
            await self._wait_for_next(started, retry)

    async def _reconcile(self, failures: int) -> RetryDecision | None:
        """One reconcile after this many failures; None if it succeeded. The outcome is in the cluster's status."""
        context = self._context
        self._reconciled, self._requeued = self._newest(), False
        try:
            async with context.slots:
                await self._reconcile_once()
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails on a cluster, it is reconciled again
            retry = retry_decision(error, failures + 1, context.settings.backoff, context.random)
            metrics.RECONCILES.labels(retry.phase.value.lower()).inc()
            self._report(phase=retry.phase, problem=self._problem(retry), drift=self._drift.records)
            if retry.reason == PERMISSIONS_MISSING:
                await self._target.close()
            return retry
        return None

    async def _reconcile_once(self) -> None:
        target = await self._target.open()
        self._watch.to(target)
        self.lease.check()
        live = await target.gather()
        self._inventory.submit(live.inventory)
        self._restarts.observed(live.inventory)
        # Faults end even if a guard forbids all other changes.
        live_ends = expire_times(live.objects.values())
        self._faults.schedule(live_ends)
        plan = await plan_reconcile(self._cluster, target, live, self._context, self.lease, self._drift)
        self._reconciled = (plan.witness.epoch, plan.witness.revision)
        applied = Applied()
        if not plan.is_noop:
            self.lease.check()
            self._faults.schedule((*plan.fault_ends, *live_ends))
            applied = await self._apply(target, plan)
        self._faults.schedule(plan.fault_ends)
        self._drift.applied(plan.live, plan.objects, changed=plan.changing, refused=applied.obstacles.keys())
        obstacles = {**plan.obstacles, **applied.obstacles}
        self._settle(target, plan, with_held(obstacles, plan.objects.values(), applied.refused))

    async def _apply(self, target: Target, plan: ReconcilePlan) -> Applied:
        if not plan.has_changes:
            return await target.apply(upsert=(), delete=(), witness=plan.new_witness, accepted=plan.accepted)
        self._verifier.suspend()
        context, revision = self._context, plan.witness.revision
        arrivals = context.replica.arrivals(self._status.applied_revision, revision)
        begin = perf_counter()
        try:
            with self._announced(), apply_span(self._cluster, revision, [each.traceparent for each in arrivals]):
                applied = await target.apply(
                    upsert=plan.upsert, delete=plan.delete, witness=plan.new_witness, accepted=plan.accepted
                )
        except BaseException:
            self._drift.apply_failed(plan.changing)
            raise
        finally:
            self._quiet_until = context.monotonic() + target.debounce
        metrics.APPLY_SECONDS.observe(perf_counter() - begin)
        if arrivals:
            age = context.store_clock.now() - arrivals[0].accept_time
            metrics.ROLLOUT_SECONDS.observe(age.total_seconds())
        return applied

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Shows the cluster as APPLYING if it takes a while; most applies are over before anyone could see it."""
        loop = asyncio.get_running_loop()
        settings = self._context.settings
        late = loop.call_later(settings.announce, lambda: self._report(phase=Phase.APPLYING, problem=None))
        try:
            yield
        finally:
            late.cancel()

    def _settle(self, target: Target, plan: ReconcilePlan, obstacles: dict[str, Problem]) -> None:
        digest = self._status.applied_digest
        settled = replace(
            self._status,
            phase=Phase.SETTLED,
            problem=None,
            applied_revision=plan.witness.revision,
            obstacles=obstacles or None,
            drift=self._drift.records,
            stale_workloads=_stale_count(plan.live.inventory),
            applied_digest=self._drift.digest if plan.has_changes or not digest else digest,
            faults_ended_to=plan.last_expiry or self._status.faults_ended_to,
        )
        metrics.RECONCILES.labels("changed" if plan.has_changes else "unchanged").inc()
        if settled != self._status or not plan.is_noop:
            self._status = settled
            self._report(apply_time=self._context.clock())
        cluster = plan.served.cluster
        self._restarts.ordered(None if cluster.draining else cluster.orders.restart)
        self._verifier.applied(without(plan.served, obstacles), target, plan.drifted)

    async def _wait_for_next(self, started: float, retry: RetryDecision | None) -> None:
        """Until a newer desired state, a requeue, a retry or the resync is due."""
        settings, now = self._context.settings, self._context.monotonic()
        at_least = retry.at_least if retry else 0.0
        earliest = max(started + settings.pace, self._quiet_until, now + at_least)
        pause = settings.resync if retry is None or retry.retry_in is None else retry.retry_in
        latest = max(now + pause, earliest)
        while not self._stopping:
            now = self._context.monotonic()
            is_due = self._requeued or self._newest() != self._reconciled
            if now >= latest or (is_due and now >= earliest):
                return
            if now >= self._heartbeat_at:
                self._report()
            until = min(latest, self._heartbeat_at, earliest if is_due else latest)
            self._wake.clear()
            await wait_for_event(self._wake, until - now)

    def _newest(self) -> tuple[str, int]:
        snapshot = self._context.replica.snapshot
        return snapshot.epoch, snapshot.revision

    def _problem(self, retry: RetryDecision) -> Problem:
        pause = retry.retry_in
        retry_time = None if pause is None else self._context.clock() + timedelta(seconds=pause)
        return Problem(retry.reason, retry.message, retry_time, retry.token)

    def _report(self, **changes: Any) -> None:
        """Changes the cluster's status and hands it to the status writer."""
        self._heartbeat_at = self._context.monotonic() + self._context.settings.heartbeat
        now = self._context.clock()
        self._status = replace(self._status, **changes, last_seen_time=now, fence=self.lease.fence)
        self._context.statuses.submit(self._status)


def _stale_count(inventory: Inventory | None) -> int:
    return len(inventory.stale_workloads) + inventory.left_out.get("stale_workloads", 0) if inventory else 0
