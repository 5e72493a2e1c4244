"""A state machine over a target: any calls and any accidents in any order leave the cluster as the model says."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import Resource
from egress_server.domain.render import render
from egress_server.ports.target import UNREACHABLE
from tests.contract.target.benches.bench import TargetBench, Topic
from tests.contract.target.model import TargetModel
from tests.support.meshes import History, entry, fault, policy
from tests.support.target_driver import FUTURE, TargetDriver
from tests.support.waiting import PATIENCE_SECONDS, until

T = TypeVar("T")
OpenBench = Callable[[], AbstractAsyncContextManager[TargetBench]]

SETTINGS = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
"""How long the in-memory target is tried."""
_MAX_PROCESSES = 3
_UNIQUE, _SHARED = "{}.example.com", "shared.example.com"

# Few of each, so that calls meet.
NAMES = st.sampled_from(["ant", "bank", "coin"])
ENTRIES = st.dictionaries(NAMES, st.sampled_from([(_UNIQUE,), (_UNIQUE, "more.{}.example.com"), (_UNIQUE, _SHARED)]))
FAULTS = st.lists(st.sampled_from([600.0, 3600.0]), unique=True)
MODES = st.sampled_from(["", "REGISTRY_ONLY", "ALLOW_ANY"])
MINUTES = st.sampled_from([0, 30, 120])
PROCESSES = st.integers(0, _MAX_PROCESSES - 1)


@dataclass(frozen=True)
class Setup:
    """How a machine is run. All its examples use `loop`. Entries may share a host unless that is `costly`, as where the
    second one must be created a second later."""

    open_bench: OpenBench
    loop: asyncio.AbstractEventLoop
    costly: frozenset[Topic] = frozenset()


class TargetMachine(RuleBasedStateMachine):
    """One cluster and the processes that have it open."""

    setup_: Setup

    def __init__(self) -> None:
        super().__init__()
        self._stack = AsyncExitStack()
        self.bench = self._run(self._stack.enter_async_context(self.setup_.open_bench()))
        self.promised = frozenset(Topic) - self.bench.opt_outs.keys() - self.setup_.costly
        self.processes = [self.bench.process]
        self.model = TargetModel()
        self.foreign: dict[str, object] = {}
        self.resources: list[Resource] = []
        self._patience = 0.1 if self.bench.immediate else PATIENCE_SECONDS
        self._numbers = iter(range(1, 1_000_000))

    def teardown(self) -> None:
        """Closes the cluster."""
        self._run(self._stack.aclose())

    @rule(
        number=PROCESSES,
        entries=ENTRIES,
        faults=FAULTS,
        mode=MODES,
        minutes=MINUTES,
        epoch=st.sampled_from(["one", "one", "one", "two"]),
        fence=st.integers(1, 3),
    )
    def reconcile(
        self,
        number: int,
        entries: dict[str, tuple[str, ...]],
        faults: list[float],
        mode: str,
        minutes: int,
        epoch: str,
        fence: int,
    ) -> None:
        """Some process reconciles, perhaps for another store or with an older fencing token."""
        self.resources = self._resources(entries, faults, mode)
        self._reconcile(self._process(number), minutes, epoch, fence)

    @rule(number=PROCESSES)
    def repair(self, number: int) -> None:
        """The same resources once more, as after a change by another client."""
        self._reconcile(self._process(number), 0, "repaired", 1)

    @rule(number=PROCESSES, other=PROCESSES, minutes=MINUTES)
    def faults_end(self, number: int, other: int, minutes: int) -> None:
        """Faults are applied and end, be it at once, one of them, or both."""
        self.resources = self._resources({"bank": (_UNIQUE,)}, [600.0, 3600.0], "")
        self._reconcile(self._process(number), 0, "faulty", 1)
        self.strip_ended(other, minutes)

    @rule(number=PROCESSES, fence=st.integers(1, 3))
    def take_over(self, number: int, fence: int) -> None:
        """A store that was restored from an older copy is accepted."""
        process = self._process(number)
        process.fence, process.revision = fence, next(self._numbers)
        reason, _ = self._run(_outcome(process.take_over()))
        assert not reason
        self.model.witness = process.witness()

    @rule(number=PROCESSES)
    def release(self, number: int) -> None:
        """The cluster is drained."""
        self._run(self._process(number).release())
        self.model.apply((), None)

    @rule(number=PROCESSES, minutes=MINUTES)
    def strip_ended(self, number: int, minutes: int) -> None:
        """Time passes, and ended faults go."""
        now = FUTURE + timedelta(minutes=minutes)
        self._run(self._process(number).target.strip_ended(now))
        self.model.strip(now)

    @rule()
    def another_process(self) -> None:
        """A process starts; the oldest ends, unless it ended before because there can be only one."""
        started = self._run(self.bench.another())
        if Topic.PROCESSES not in self.promised:
            self.processes = [started]
            return
        self.processes.append(started)
        if len(self.processes) > _MAX_PROCESSES:
            self._run(self.processes.pop(0).close())

    @rule(number=PROCESSES, turns=st.integers(0, 12))
    def cancel(self, number: int, turns: int) -> None:
        """An apply of several new entries is cancelled somewhere, and the next one completes the work."""
        process, fresh = self._process(number), next(self._numbers)
        process.epoch, process.fence, process.revision = f"cancelled {fresh}", 1, fresh
        self.resources = resources = self._resources(dict.fromkeys(("ant", "coin"), (f"h{fresh}.{{}}.com",)), [], "")
        desired, _ = self._desired(process, resources, FUTURE)
        self._run(self._cancelled(process, resources, turns))
        live = self._run(process.live())
        if live.witness != self.model.witness:
            assert live.witness == process.witness()
            assert dict(live.objects) == {key_of(obj): obj for obj in desired}
        # As the loop does it after a conflict with what was still under way.
        self._run(until(lambda: _succeeds(process.reconcile(*resources)), "the next reconcile"))
        self.model.apply(desired, process.witness())

    @precondition(lambda self: {Topic.DRIFT} <= self.promised and self.model.entries)
    @rule(number=st.integers(0, 2), hosts=st.sampled_from([(_UNIQUE,), ("evil.example.com",)]))
    def change(self, number: int, hosts: tuple[str, ...]) -> None:
        """Another client changes a managed object."""
        key = self._key(number)
        hosts = tuple(host.format(key.name) for host in hosts)
        events = self._events()
        self._run(self.bench.change(key, {"hosts": list(hosts)}))
        if self.model.change(key, hosts):
            self._check_reported(events)

    @precondition(lambda self: {Topic.DRIFT} <= self.promised and self.model.entries)
    @rule(number=st.integers(0, 2))
    def delete(self, number: int) -> None:
        """Another client deletes a managed object."""
        key, events = self._key(number), self._events()
        self._run(self.bench.delete(key))
        self.model.delete(key)
        self._check_reported(events)

    @precondition(lambda self: {Topic.FOREIGN} <= self.promised)
    @rule(name=st.sampled_from(["theirs", "bank"]))
    def foreign_object(self, name: str) -> None:
        """Another client creates an object of its own, perhaps where a managed one could be, or deletes it."""
        if name in self.model.entries:
            return
        events = self._events()
        if name in self.model.foreign:
            self._run(self.bench.delete_foreign(name))
            self.model.foreign.remove(name)
            del self.foreign[name]
        else:
            self._run(self.bench.create_foreign(name))
            self.model.foreign.add(name)
            self.foreign[name] = self._run(self.bench.foreign())[name]
        self._check_reported(events)

    @precondition(lambda self: {Topic.OUTAGE} <= self.promised)
    @rule(number=PROCESSES)
    def outage(self, number: int) -> None:
        """The cluster is out of reach for a while, and nothing is lost."""
        process = self._process(number)
        self._run(self.bench.take_down())
        requests: tuple[Callable[[], Coroutine[Any, Any, object]], ...] = (
            process.live,
            lambda: process.target.apply(upsert=(), delete=tuple(self.model.objects), witness=None),
            lambda: process.target.strip_ended(FUTURE + timedelta(days=1)),
        )
        for request in requests:
            assert self._run(_outcome(request())) == (UNREACHABLE, None)
        self._run(self.bench.bring_back())

    @invariant()
    def as_the_model_says(self) -> None:
        """Every process gathers what the model holds, and objects of other clients are as they were created."""
        for process in self.processes:
            agrees = partial(self._agrees, process)
            self._run(until(agrees, "the target agrees with the model", seconds=self._patience))
        if Topic.FOREIGN in self.promised:
            assert self._run(self.bench.foreign()) == self.foreign

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.setup_.loop.run_until_complete(work)

    def _process(self, number: int) -> TargetDriver:
        return self.processes[number % len(self.processes)]

    def _key(self, number: int) -> ObjectKey:
        return ObjectKey("ServiceEntry", "default", self.model.entries[number % len(self.model.entries)])

    def _resources(self, entries: Mapping[str, Sequence[str]], faults: Sequence[float], mode: str) -> list[Resource]:
        shares = Topic.CREATION_ORDER not in self.setup_.costly
        hosts = {
            name: tuple(host.format(name) for host in found if shares or host != _SHARED)
            for name, found in entries.items()
        }
        return [
            *(entry(name, hosts=hosts[name]) for name in hosts),
            *(fault(f"f{ttl:g}", ttl=ttl, host="bank.example.com") for ttl in faults if "bank" in hosts),
            *([policy(mode)] if mode else []),
        ]

    def _desired(
        self, process: TargetDriver, resources: Sequence[Resource], now: datetime
    ) -> tuple[list[IstioObject], set[str]]:
        """What the cluster should hold, oldest first, and which resources are obstructed."""
        snapshot = History(process.cluster, *resources, born=FUTURE).snapshot
        age = {resource.name: number for number, resource in enumerate(resources)}
        rendered = sorted(
            render(effective(snapshot, process.cluster, now)), key=lambda obj: age.get(resource_of(obj), -1)
        )
        obstructs = Topic.FOREIGN_OBSTACLE in self.promised
        blocked = [obj for obj in rendered if obstructs and self.model.is_in_the_way(key_of(obj))]
        return [obj for obj in rendered if obj not in blocked], {resource_of(obj) for obj in blocked}

    def _reconcile(self, process: TargetDriver, minutes: int, epoch: str, fence: int) -> None:
        now = FUTURE + timedelta(minutes=minutes)
        process.epoch, process.fence, process.revision = epoch, fence, next(self._numbers)
        desired, obstacles = self._desired(process, self.resources, now)
        witness = replace(process.witness(), revision=process.revision + 1, digest=f"digest-{process.revision + 1}")
        events = process.events
        reason, found = self._run(_outcome(process.reconcile(*self.resources, now=now)))
        if Topic.FENCE in self.promised and self.model.refuses(witness):
            assert reason == "CONFLICT"
            return
        assert not reason
        assert found is not None
        assert found.keys() == obstacles
        self.model.apply(desired, witness)
        self._check_own_write(process, events)
        self._check_order()
        self._check_equal_apply(process)

    async def _cancelled(self, process: TargetDriver, resources: Sequence[Resource], turns: int) -> None:
        plan = await process.plan(*resources)
        process.revision += 1
        apply = process.target.apply(upsert=plan.upsert, delete=plan.delete, witness=process.witness())
        task = asyncio.create_task(apply)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def _agrees(self, process: TargetDriver) -> bool:
        live, model = await process.live(), self.model
        if (dict(live.objects), live.witness) != (model.objects, model.witness):
            return False
        changed = {key for key, writer in live.changed_by.items() if writer and key in live.objects}
        return Topic.WRITERS not in self.promised or changed == model.changed

    def _events(self) -> list[int]:
        return [process.events for process in self.processes]

    def _check_reported(self, before: Sequence[int]) -> None:
        if Topic.EVENTS in self.promised:
            for process, events in zip(self.processes, before, strict=True):
                self._run(process.until_event(events, seconds=self._patience))

    def _check_own_write(self, process: TargetDriver, events: int) -> None:
        if self.bench.immediate and Topic.EVENTS in self.promised:
            self._run(asyncio.sleep(0.01))
            assert process.events == events

    def _check_order(self) -> None:
        if Topic.CREATION_ORDER in self.promised:
            assert self._run(self.bench.creation_order()) == self.model.entries

    def _check_equal_apply(self, process: TargetDriver) -> None:
        """The same once more writes nothing."""
        if Topic.VERSIONS in self.promised:
            before = self._run(self.bench.versions())
            live = self._run(process.live())
            self._run(process.target.apply(upsert=tuple(live.objects.values()), delete=(), witness=process.witness()))
            assert self._run(self.bench.versions()) == before


async def _outcome(request: Coroutine[Any, Any, T]) -> tuple[str, T | None]:
    """The reason for which it fails for now, or its result."""
    try:
        return "", await request
    except TransientError as error:
        return error.reason, None


async def _succeeds(request: Coroutine[Any, Any, object]) -> bool:
    """Whether it succeeds; it may fail because of a conflict."""
    reason, _ = await _outcome(request)
    assert reason in ("", "CONFLICT")
    return not reason


def machine_over(setup: Setup) -> type[TargetMachine]:
    """The machine with that setup."""
    return type("Machine", (TargetMachine,), {"setup_": setup})
