"""The one in-memory store of the tests: the ports Store and Replica, with all that they promise.

tests/contract/store runs the same suite over it and over real servers, and the same state machine. It does what a real
store would do in the same order, at once; a test that wants a store to misbehave subclasses it and overrides a seam:
`reach` (the way to the database), `accept_time`, `digest_of`, or a method of the port.
"""

# ruff: noqa: ARG002 # seams take what an override may need

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from egress_server.domain.desired.snapshot import Snapshot, Update, buckets_of
from egress_server.domain.model.changes import Change, ChangeRecord, ChangeType, Versioned
from egress_server.domain.model.errors import Aborted
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.observed.inventory_index import Inventories
from egress_server.ports.store import Arrival, Commit, Committed, Lease, RequestKey, Stale
from egress_server.store.codec import content_digest, encode, record_digest
from egress_server.store.keys import Retention
from egress_server.store.wakeups import Wakeups

_NEVER_ASKED = RequestKey("", "", "", "")
Request = tuple[str, str, str]
"""Principal, method and request id."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The log's entry of one revision."""

    change: Change
    versioned: Versioned[Resource]
    digest: str
    traceparent: str


@dataclass(slots=True)
class _Done:
    """The outcome of a request id, kept until `until` (monotonic seconds)."""

    fingerprint: str
    revision: int
    until: float


@dataclass(slots=True)
class _Holder:
    owner: str
    until: float


@dataclass
class _Mesh:
    """Everything the store has of one mesh."""

    snapshot: Snapshot
    log: list[_Entry] = field(default_factory=list)
    history: dict[str, deque[Versioned[Resource]]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    requests: dict[Request, _Done] = field(default_factory=dict)
    leases: dict[str, _Holder] = field(default_factory=dict)
    fences: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, ClusterStatus] = field(default_factory=dict)
    inventories: dict[str, Inventory] = field(default_factory=dict)
    status_number: int = 0
    replicas: list["MemoryReplica"] = field(default_factory=list)


class MemoryStore:
    """See ports.store.Store. `clock` is the store's, `monotonic` is what leases and request ids end by."""

    def __init__(
        self,
        *,
        epochs: Mapping[str, str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        retention: Retention | None = None,
    ) -> None:
        self._meshes = {mesh: _Mesh(Snapshot(mesh, epoch, 0, ())) for mesh, epoch in epochs.items()}
        self._clock = clock
        self._monotonic = monotonic
        self._retention = retention or Retention()

    async def reach(self) -> None:
        """Every method of the port calls this first: the connection to the database."""
        await asyncio.sleep(0)

    def accept_time(self, revision: int) -> datetime:
        """When a change is accepted, by the store's clock, in milliseconds like the real one."""
        now = self._clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def digest_of(self, revision: int, record: ChangeRecord, resource: Resource) -> str:
        """The digest of the audit record."""
        return record_digest(encode(record), content_digest(encode(resource)))

    async def commit(self, commit: Commit) -> Committed:
        """See the port."""
        await self.reach()
        if replay := self.replay(commit.mesh, commit.request):
            return replay
        self.check(commit)
        return self.write(commit)

    def check(self, commit: Commit) -> None:
        """Raises Stale if the commit's epoch or one of the buckets it read has changed."""
        mesh = self._meshes.get(commit.mesh)
        if mesh is None:
            raise Stale(0)
        if commit.epoch != mesh.snapshot.epoch or any(mesh.last.get(b, 0) > commit.revision for b in commit.read):
            raise Stale(mesh.snapshot.revision)

    def write(self, commit: Commit) -> Committed:
        """Makes the commit without any check."""
        mesh, resource = self._meshes[commit.mesh], commit.resource
        revision = mesh.snapshot.revision + 1
        accepted = self.accept_time(revision)
        current = mesh.snapshot.get(resource.name)
        versions = mesh.history.setdefault(resource.name, deque(maxlen=self._retention.versions))
        previous = versions[-1].revision if versions else 0
        created = current.create_time if current else accepted
        versioned = Versioned(resource, revision, created, accepted, commit.deletes)
        change = Change(commit.mesh, revision, previous, accepted, commit.record)
        versions.append(versioned)
        mesh.last.update(dict.fromkeys(commit.touch, revision))
        mesh.snapshot.apply(Update(revision, versioned))
        digest = self.digest_of(revision, commit.record, resource)
        mesh.log.append(_Entry(change, versioned, digest, commit.traceparent))
        if commit.request is not _NEVER_ASKED:
            until = self._monotonic() + self._retention.request_seconds
            mesh.requests[_id(commit.request)] = _Done(commit.request.fingerprint, revision, until)
        self._tell(mesh)
        return Committed(change, versioned, traceparent=commit.traceparent)

    def put(
        self,
        resource: Resource,
        *,
        deleted: bool = False,
        mesh: str = "default",
        actor: str = "user:rival",
    ) -> Committed:
        """Another caller's commit, without any check."""
        snapshot = self._meshes[mesh].snapshot
        before = snapshot.get(resource.name)
        touch = buckets_of(resource) | (buckets_of(before.resource) if before else frozenset())
        record = ChangeRecord(ChangeType.DELETE if deleted else ChangeType.SET, resource.name, actor, "")
        at = (snapshot.epoch, snapshot.revision)
        return self.write(Commit(mesh, *at, frozenset(), touch, resource, deleted, record, _NEVER_ASKED))

    async def find_replay(self, mesh: str, request: RequestKey) -> Committed | None:
        """See the port."""
        await self.reach()
        return self.replay(mesh, request)

    def replay(self, mesh: str, request: RequestKey) -> Committed | None:
        """The outcome of an earlier commit with the same request; raises Aborted REQUEST_ID_REUSED."""
        done = self._meshes[mesh].requests.get(_id(request)) if mesh in self._meshes else None
        if done is None or done.until <= self._monotonic():
            return None
        if done.fingerprint != request.fingerprint:
            raise Aborted(f"request id {request.request_id!r} was used before", reason="REQUEST_ID_REUSED")
        found = self._change(mesh, done.revision)
        assert found is not None
        return Committed(found.change, found.versioned, replayed=True)

    async def change(self, mesh: str, revision: int) -> Committed | None:
        """See the port."""
        await self.reach()
        return self._change(mesh, revision)

    async def version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        """See the port."""
        await self.reach()
        return self._version_at(mesh, resource, revision)

    async def newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        """See the port."""
        await self.reach()
        return self._newest(mesh, resource)

    async def changes(
        self, mesh: str, *, before: int | None, after: int | None, count: int, newest_first: bool
    ) -> Sequence[Change]:
        """See the port."""
        await self.reach()
        found = [e.change for e in self._log(mesh) if (after or 0) < e.change.revision < (before or 2**63)]
        return (found[::-1] if newest_first else found)[:count]

    async def digest(self, mesh: str, revision: int) -> str | None:
        """See the port."""
        await self.reach()
        return next((entry.digest for entry in self._log(mesh) if entry.change.revision == revision), None)

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """See the port."""
        await self.reach()
        fences = self._meshes[mesh].fences
        refused = [status.cluster for status in statuses if status.fence < fences[status.cluster]]
        self.write_statuses(mesh, [status for status in statuses if status.cluster not in refused])
        return refused

    def write_statuses(self, mesh: str, statuses: Sequence[ClusterStatus]) -> None:
        """Writes records without checking their fences."""
        if statuses:
            known = self._meshes[mesh]
            known.statuses.update({status.cluster: status for status in statuses})
            self._count(known)

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """See the port."""
        await self.reach()
        self.write_inventory(mesh, inventory)

    def write_inventory(self, mesh: str, inventory: Inventory) -> None:
        """Writes an inventory."""
        self._meshes[mesh].inventories[inventory.cluster] = inventory
        self._count(self._meshes[mesh])

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """See the port."""
        await self.reach()
        self._meshes[mesh].inventories.pop(cluster, None)
        self._count(self._meshes[mesh])

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        """See the port."""
        await self.reach()
        for replica in self._meshes[mesh].replicas:
            replica.resyncs[cluster] += 1
        self._count(self._meshes[mesh])

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """See the port."""
        await self.reach()
        known, now = self._meshes[mesh], self._monotonic()
        if self.owner(cluster, mesh) not in {None, owner}:
            return None
        if self.owner(cluster, mesh) is None:
            known.fences[cluster] += 1
        known.leases[cluster] = _Holder(owner, now + ttl)
        return Lease(cluster, known.fences[cluster], now + ttl)

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        """See the port."""
        await self.reach()
        if self.owner(cluster, mesh) == owner:
            del self._meshes[mesh].leases[cluster]

    def owner(self, cluster: str, mesh: str = "default") -> str | None:
        """The owner of the lease on a cluster."""
        holder = self._meshes[mesh].leases.get(cluster)
        return holder.owner if holder and holder.until > self._monotonic() else None

    def give(self, cluster: str, owner: str, seconds: float, mesh: str = "default") -> None:
        """Another applier takes the lease, whatever its owner."""
        known = self._meshes[mesh]
        known.fences[cluster] += 1
        known.leases[cluster] = _Holder(owner, self._monotonic() + seconds)

    async def now(self) -> datetime:
        """See the port."""
        await self.reach()
        return self._clock()

    def mesh(self, mesh: str) -> _Mesh:
        """The state of a mesh, for replicas."""
        return self._meshes[mesh]

    def snapshot_of(self, mesh: str = "default") -> Snapshot:
        """Desired state in the store, however far any replica is."""
        return self._meshes[mesh].snapshot

    def _log(self, mesh: str) -> Sequence[_Entry]:
        return self._meshes[mesh].log if mesh in self._meshes else ()

    def _change(self, mesh: str, revision: int) -> Committed | None:
        entry = next((entry for entry in self._log(mesh) if entry.change.revision == revision), None)
        if entry is None:
            return None
        name = entry.change.record.resource
        versioned = self._version_at(mesh, name, revision) or self._newest(mesh, name)
        return Committed(entry.change, versioned) if versioned else None

    def _version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        return next((v for v in self._versions(mesh, resource) if v.revision == revision), None)

    def _newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        return next(reversed(self._versions(mesh, resource)), None)

    def _versions(self, mesh: str, resource: str) -> Sequence[Versioned[Resource]]:
        return list(self._meshes[mesh].history.get(resource, ())) if mesh in self._meshes else []

    def _count(self, mesh: _Mesh) -> None:
        mesh.status_number += 1
        self._tell(mesh)

    def _tell(self, mesh: _Mesh) -> None:
        for replica in mesh.replicas:
            if replica.follows:
                replica.catch_up()


class MemoryReplica:
    """See ports.store.Replica. One that `follows` has everything at once; another one catches up when someone waits for
    a revision, unless it is `blind`, and with own commits that follow on what it has."""

    def __init__(self, store: MemoryStore, mesh: str = "default", *, follows: bool = True) -> None:
        self._mesh = store.mesh(mesh)
        self._name = mesh
        self._wakeups = Wakeups()
        self._arrivals: list[Arrival] = []
        self._inventories = Inventories()
        self.follows = follows
        self.blind = False
        self.resyncs: Counter[str] = Counter()
        self.statuses: dict[str, ClusterStatus] = {}
        self.status_number = 0
        truth = self._mesh.snapshot
        present = [versioned for kind in ResourceKind for versioned in truth.of_kind(kind).values()]
        self.snapshot = Snapshot(mesh, truth.epoch, truth.revision, present, inventories=self._inventories)
        self.catch_up()
        self._mesh.replicas.append(self)

    @property
    def inventories(self) -> Inventories:
        """See the port."""
        return self._inventories

    @property
    def watchers(self) -> int:
        """The number of watchers."""
        return self._wakeups.watching

    def catch_up(self) -> None:
        """Takes over the store's state, and wakes all waiters."""
        for entry in self._mesh.log[self.snapshot.revision :]:
            self._apply(entry.versioned, entry.change, entry.traceparent)
        self.statuses.update(self._mesh.statuses)
        self.status_number = self._mesh.status_number
        for cluster in set(self._inventories) - set(self._mesh.inventories):
            self._inventories.drop(cluster)
        for inventory in self._mesh.inventories.values():
            if self._inventories.get(inventory.cluster) != inventory:
                self._inventories.put(inventory)
        self.wake()

    def wake(self) -> None:
        """Wakes all watchers, as any change does."""
        self._wakeups.notify(self.snapshot.revision)

    def arrivals(self, after: int, upto: int) -> Sequence[Arrival]:
        """See the port."""
        return [arrival for arrival in self._arrivals if after < arrival.revision <= upto]

    def committed(self, outcome: Committed) -> None:
        """See the port."""
        if outcome.change.revision == self.snapshot.revision + 1:
            self._apply(outcome.versioned, outcome.change, outcome.traceparent)
            self.wake()

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """See the port."""
        if self.blind:
            return self.snapshot.revision >= revision
        self.catch_up()
        return self.snapshot.revision >= revision or await self._wakeups.wait(revision, timeout)

    def watch(self) -> AbstractContextManager[AsyncIterator[None]]:
        """See the port."""
        return self._wakeups.watch()

    def _apply(self, versioned: Versioned[Resource], change: Change, traceparent: str) -> None:
        self.snapshot.apply(Update(change.revision, versioned))
        self._arrivals.append(Arrival(change.revision, change.accept_time, traceparent))


def _id(request: RequestKey) -> Request:
    return request.principal, request.method, request.request_id
