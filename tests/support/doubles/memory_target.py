"""The in-memory target: a cluster as the delivery loop sees it, for tests. It passes tests/contract/target.

Its clients are two: the target, which writes managed objects, and others, which write what they like. A test can let
requests fail, take time, or be rejected.
"""

# ruff: noqa: ARG002 - as the port

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.domain.render.virtual_service import resources_in
from egress_server.ports.target import UNREACHABLE, Applied, Live, Projection, Witness
from tests.support.meshes import BIRTH

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
NO_WITNESS = Witness("", 0, "", 0)
"""The witness of a Write that removes it."""


def loop_time() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Write:
    """One apply as the cluster saw it: names of objects, and the witness."""

    at: float
    upsert: tuple[str, ...]
    delete: tuple[str, ...]
    witness: Witness


@dataclass
class MemoryCluster:
    """What a cluster holds, for all targets that are open on it. `versions` counts the writes of each object."""

    objects: dict[ObjectKey, IstioObject] = field(default_factory=dict)
    foreign: dict[ObjectKey, IstioObject] = field(default_factory=dict)
    witness: Witness | None = None
    changed_by: dict[ObjectKey, str] = field(default_factory=dict)
    versions: dict[ObjectKey, int] = field(default_factory=dict)
    down: bool = False
    watches: list[asyncio.Event] = field(default_factory=list)

    def put(self, obj: IstioObject) -> bool:
        """Stores a managed object, and returns whether it differs; one that is replaced keeps its place."""
        key = key_of(obj)
        if self.objects.get(key) == obj:
            return False
        self.objects[key] = obj
        self.versions[key] = self.versions.get(key, 0) + 1
        return True

    def notify(self, *, without: asyncio.Event | None = None) -> None:
        """Wakes the watches of all targets but one."""
        for watch in self.watches:
            if watch is not without:
                watch.set()

    def change(self, name: str, spec: dict[str, Any] | None, by: str = "") -> None:
        """Another client changes the managed objects of this name, or deletes them, and watches report it."""
        for key in [key for key in self.objects if key.name == name]:
            if spec is None:
                del self.objects[key]
                self.changed_by.pop(key, None)
                self.notify()
            elif self.put({**self.objects[key], "spec": {**self.objects[key]["spec"], **spec}}):
                self.changed_by[key] = by
                self.notify()

    def put_foreign(self, obj: IstioObject) -> None:
        """Another client creates or replaces an unmanaged object."""
        self.foreign[key_of(obj)] = obj
        self.notify()

    def take_down(self) -> None:
        """From now on it can't be reached."""
        self.down = True
        self.notify()

    def bring_back(self) -> None:
        """From now on it can be reached again."""
        self.down = False
        self.notify()

    def delete_foreign(self, key: ObjectKey) -> None:
        """Another client deletes an unmanaged object."""
        del self.foreign[key]
        self.notify()


@dataclass(frozen=True)
class MemoryLive(Live):
    """See ports.target.Live. `foreign` are the keys of unmanaged objects."""

    foreign: frozenset[ObjectKey] = frozenset()


@dataclass
class MemoryTarget:
    """A target of `cluster`. A test can set:

    - failures: raised by the next gathers and removals of ended faults; apply_failures by the next applies,
      watch_failures by the next watches, restart_failures by the next restarts, close_failures by the next closes
    - seconds: how long an apply takes; restart_seconds: how long a restart takes
    - unsupported: by resource name, what can't be projected; rejects: what the cluster rejects when it is applied,
      rejects_kind: only objects of this kind
    - never_ready: workloads that don't become ready after a restart
    - watchable: whether changes by other clients are reported

    `busy` is whether a gather or an apply is under way.
    """

    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    debounce: float = 0.0
    propagation: float = 0.0
    propagation_delay: Problem | None = None
    inventory: Inventory | None = None
    failures: list[Exception] = field(default_factory=list)
    apply_failures: list[Exception] = field(default_factory=list)
    watch_failures: list[Exception] = field(default_factory=list)
    restart_failures: list[Exception] = field(default_factory=list)
    close_failures: list[Exception] = field(default_factory=list)
    seconds: float = 0.0
    restart_seconds: float = 3.0
    unsupported: dict[str, str] = field(default_factory=dict)
    rejects: dict[str, str] = field(default_factory=dict)
    rejects_kind: str = ""
    never_ready: set[str] = field(default_factory=set)
    watchable: bool = True
    gathers: int = 0
    watches: int = 0
    writes: list[Write] = field(default_factory=list)
    restarts: list[tuple[float, str]] = field(default_factory=list)
    closed: bool = True
    busy: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Opens it."""
        self.open()

    def open(self) -> None:
        """Changes of the cluster from now on are reported."""
        self._changed.clear()
        if self.closed:
            self.closed = False
            self.cluster.watches.append(self._changed)

    @property
    def objects(self) -> dict[ObjectKey, IstioObject]:
        """The managed objects on the cluster."""
        return self.cluster.objects

    @property
    def witness(self) -> Witness | None:
        """The witness on the cluster."""
        return self.cluster.witness

    async def gather(self) -> Live:
        """See the port."""
        self.gathers += 1
        with self._one_request_at_a_time():
            await asyncio.sleep(0.001)
        self._fail(self.failures)
        cluster = self.cluster
        inventory = self.inventory and replace(self.inventory, observe_time=BIRTH + timedelta(seconds=loop_time()))
        return MemoryLive(
            dict(cluster.objects), cluster.witness, inventory, dict(cluster.changed_by), frozenset(cluster.foreign)
        )

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        """See the port. A foreign object in the way is an obstacle."""
        assert isinstance(live, MemoryLive)
        projected: list[IstioObject] = []
        obstacles: dict[str, Problem] = {}
        for obj in objects:
            name = resource_of(obj)
            if name in self.unsupported:
                obstacles[name] = Problem(UNSUPPORTED, self.unsupported[name])
            elif key_of(obj) in live.foreign:
                obstacles[name] = Problem("FOREIGN_OWNER", f"{key_of(obj).name} is not managed by mesh-egress")
            else:
                projected.append(obj)
        return Projection(tuple(projected), obstacles)

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        """See the port. Object by object, so that it can be cancelled in between."""
        self._fail(self.apply_failures)
        with self._one_request_at_a_time():
            await asyncio.sleep(self.seconds)
            self.check_fence(witness, accepted)
            rejected: set[str] = set()
            refused: set[ObjectKey] = set()
            for obj in upsert:
                await asyncio.sleep(0)
                if names := self._rejected(obj):
                    rejected |= names
                    refused.add(key_of(obj))
                else:
                    self.write(obj)
            for key in delete:
                await asyncio.sleep(0)
                self.delete(key)
            self.write_witness(witness)
        names_of = tuple(obj["metadata"]["name"] for obj in upsert)
        self.writes.append(Write(loop_time(), names_of, tuple(key.name for key in delete), witness or NO_WITNESS))
        return Applied({name: Problem(UNSUPPORTED, self.rejects[name]) for name in rejected}, frozenset(refused))

    def _rejected(self, obj: IstioObject) -> Set[str]:
        """The resources in an object that is rejected."""
        of_kind = self.rejects_kind in ("", obj["kind"])
        return self.rejects.keys() & set(resources_in(obj)) if of_kind else set()

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        """Raises TransientError CONFLICT if a newer applier has taken over."""
        last = self.cluster.witness
        if witness and last and last != accepted and last.epoch == witness.epoch and last.fence > witness.fence:
            raise TransientError("CONFLICT", f"a newer applier (fencing token {last.fence}) has taken over the cluster")

    def write(self, obj: IstioObject) -> None:
        """Writes one object. Raises TransientError CONFLICT if another client has created it meanwhile."""
        key = key_of(obj)
        if key in self.cluster.foreign:
            raise TransientError("CONFLICT", f"conflict: {key.name} has just been created by another client")
        if self.cluster.put(obj):
            self.cluster.changed_by.pop(key, None)
            self.cluster.notify(without=self._changed)

    def delete(self, key: ObjectKey) -> None:
        """Deletes one managed object, if it still exists."""
        self.cluster.objects.pop(key, None)
        self.cluster.changed_by.pop(key, None)
        self.cluster.notify(without=self._changed)

    def write_witness(self, witness: Witness | None) -> None:
        """Replaces the witness; None removes it."""
        self.cluster.witness = witness

    async def strip_ended(self, now: datetime) -> None:
        """See the port. At any time, also during another request."""
        self._fail(self.failures)
        for obj in strip_expired(list(self.cluster.objects.values()), now):
            self.cluster.put(obj)

    async def changes(self) -> AsyncIterator[None]:
        """See the port. Changes since the target was opened."""
        self.watches += 1
        self._fail(self.watch_failures)
        while self._reports():
            await self._changed.wait()
            self._changed.clear()
            if self._reports():
                yield

    def end_watches(self) -> None:
        """From now on changes are not reported."""
        self.watchable = False
        self._changed.set()

    def propagation_problem(self) -> Problem | None:
        """See the port."""
        return self.propagation_delay

    async def restart(self, workload: str) -> None:
        """See the port."""
        if workload.partition("/")[0] not in RESTARTABLE:
            raise PermanentError(UNSUPPORTED, f"can't restart {workload}")
        self.restarts.append((loop_time(), workload))
        self._fail(self.restart_failures)
        await asyncio.sleep(self.restart_seconds)
        if workload in self.never_ready:
            raise PermanentError("NOT_BACK", f"{workload} is not ready")

    async def close(self) -> None:
        """See the port."""
        if not self.closed:
            self.closed = True
            self.cluster.watches.remove(self._changed)
        self._changed.set()
        if self.close_failures:
            raise self.close_failures.pop(0)

    def _reports(self) -> bool:
        return self.watchable and not self.closed

    def _fail(self, failures: list[Exception]) -> None:
        if failures:
            raise failures.pop(0)
        if self.cluster.down:
            raise TransientError(UNREACHABLE, "the cluster can't be reached")

    @contextmanager
    def _one_request_at_a_time(self) -> Iterator[None]:
        assert not self.busy, "two requests to one cluster at the same time"
        self.busy = True
        try:
            yield
        finally:
            self.busy = False


class MemoryTargets:
    """One target for each cluster. `failures` are raised by the next openings; `unmanaged` clusters are those of other
    processes. Unless a test makes a target watchable, it reports no changes."""

    def __init__(self) -> None:
        self._targets: dict[str, MemoryTarget] = {}
        self._opened: dict[str, MemoryTarget] = {}
        self.failures: list[Exception] = []
        self.forgotten: list[str] = []
        self.unmanaged: set[str] = set()

    def __getitem__(self, cluster: str) -> MemoryTarget:
        return self._targets[cluster] if cluster in self._targets else self.move(cluster)

    def move(self, cluster: str, to: MemoryCluster | None = None) -> MemoryTarget:
        """From the next opening on, this cluster is another one, empty unless it is given."""
        self._targets[cluster] = target = MemoryTarget(to or MemoryCluster(), watchable=False)
        return target

    def drives(self, cluster: Cluster) -> bool:
        """See the port."""
        return cluster.id not in self.unmanaged

    async def open(self, cluster: Cluster) -> MemoryTarget:
        """See the port."""
        if self.failures:
            raise self.failures.pop(0)
        self._opened[cluster.id] = target = self[cluster.id]
        target.open()
        return target

    async def forget(self, cluster_id: str) -> None:
        """See the port."""
        assert self._opened[cluster_id].closed
        self.forgotten.append(cluster_id)


def foreign_object(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> IstioObject:
    """An object as another client writes it: without our label."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec),
    }
