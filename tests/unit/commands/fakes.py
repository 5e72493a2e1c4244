"""The ports that commands work with, in memory. The store keeps the promises of its port: it replays, checks the
buckets that were read, and numbers its changes without gaps; a rival may write just before a commit."""

# ruff: noqa: ARG002 # a fake takes all that its port takes

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from egress_server.commands.mutate import Mutation, Options
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.snapshot import Snapshot, Update, buckets_of
from egress_server.domain.model.changes import Change, ChangeRecord, ChangeType, Versioned
from egress_server.domain.model.errors import Aborted
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.probe.judge import Attempt, Evidence
from egress_server.ports.agents import AgentInfo
from egress_server.ports.identity import Principal
from egress_server.ports.store import Arrival, Commit, Committed, Lease, RequestKey, Stale
from tests.support.meshes import MESH
from tests.support.sealing import OpenSealer

EPOCH = "epoch-1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CALLER = Caller(Principal("user:alice"), "/egress.v1.EgressService/Method", "f" * 32)


class FakeStore:
    """The truth, and its history."""

    def __init__(self) -> None:
        self.snapshot = Snapshot("default", EPOCH, 0, [])
        self.history: list[Committed] = []
        self.commits: list[Commit] = []
        self.rivals: list[Callable[[], object]] = []
        """Each is called before one commit."""
        self.lost_replies = 0
        """How many commits are made and not answered."""
        self.resyncs_asked: list[str] = []
        self._requests: dict[tuple[str, str, str], tuple[str, Committed]] = {}
        self._last: dict[str, int] = {}

    def put(self, resource: Resource, *, deleted: bool = False, record: ChangeRecord | None = None) -> Committed:
        """Writes without asking."""
        before = self.snapshot.get(resource.name)
        revision = self.snapshot.revision + 1
        time = NOW + timedelta(seconds=revision)
        versioned = Versioned(resource, revision, before.create_time if before else time, time, deleted)
        for bucket in buckets_of(resource) | (buckets_of(before.resource) if before else frozenset()):
            self._last[bucket] = revision
        self.snapshot.apply(Update(revision, versioned))
        previous = [c.change.revision for c in self.history if c.versioned.resource.name == resource.name]
        type_ = ChangeType.DELETE if deleted else ChangeType.SET
        record = record or ChangeRecord(type_, resource.name, "user:rival", "")
        change = Change("default", revision, previous[-1] if previous else 0, time, record)
        self.history.append(Committed(change, versioned))
        return self.history[-1]

    async def commit(self, commit: Commit) -> Committed:
        """See the port."""
        self.commits.append(commit)
        if replay := await self.find_replay(commit.mesh, commit.request):
            return replay
        if self.rivals:
            self.rivals.pop(0)()
        stale = any(self._last.get(bucket, 0) > commit.revision for bucket in commit.read)
        if stale or commit.epoch != self.snapshot.epoch:
            raise Stale(self.snapshot.revision)
        committed = self.put(commit.resource, deleted=commit.deletes, record=commit.record)
        key = commit.request
        self._requests[key.principal, key.method, key.request_id] = (key.fingerprint, committed)
        if self.lost_replies:
            self.lost_replies -= 1
            raise ConnectionError
        return committed

    async def find_replay(self, mesh: str, request: RequestKey) -> Committed | None:
        """See the port."""
        found = self._requests.get((request.principal, request.method, request.request_id))
        if found is None:
            return None
        if found[0] != request.fingerprint:
            raise Aborted("another body", reason="REQUEST_ID_REUSED")
        return replace(found[1], replayed=True)

    async def change(self, mesh: str, revision: int) -> Committed | None:
        """See the port."""
        return next((c for c in self.history if c.change.revision == revision), None)

    async def version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        """See the port."""
        found = await self.change(mesh, revision)
        return found.versioned if found and found.versioned.resource.name == resource else None

    async def changes(
        self, mesh: str, *, before: int | None, after: int | None, count: int, newest_first: bool
    ) -> Sequence[Change]:
        """See the port."""
        found = [c.change for c in self.history if (after or 0) < c.change.revision < (before or 2**63)]
        return (found[::-1] if newest_first else found)[:count]

    async def newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        """See the port."""
        found = [c.versioned for c in self.history if c.versioned.resource.name == resource]
        return found[-1] if found else None

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        """See the port."""
        self.resyncs_asked.append(cluster)

    async def now(self) -> datetime:
        """See the port."""
        return NOW

    async def digest(self, mesh: str, revision: int) -> str | None:
        """No command asks."""
        raise NotImplementedError

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """No command reports."""
        raise NotImplementedError

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """No command drives clusters."""
        raise NotImplementedError

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """No command drives clusters."""
        raise NotImplementedError

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """No command drives clusters."""
        raise NotImplementedError

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        """No command drives clusters."""
        raise NotImplementedError


class FakeReplica:
    """A copy that catches up when somebody waits, and when an own commit follows on it."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._events: set[asyncio.Event] = set()
        self.snapshot = Snapshot("default", EPOCH, 0, [])
        self.statuses: dict[str, ClusterStatus] = {}
        self.inventories: dict[str, Inventory] = {}
        self.status_number = 0
        self.resyncs: dict[str, int] = {}
        self.blind = False
        """Whether it never catches up."""

    def catch_up(self) -> None:
        """Takes over what the store has."""
        for committed in self._store.history:
            self.snapshot.apply(Update(committed.change.revision, committed.versioned))
        self._wake()

    def report(self, status: ClusterStatus) -> None:
        """An applier's record arrives."""
        self.statuses[status.cluster] = status
        self.status_number += 1
        self._wake()

    def arrivals(self, after: int, upto: int) -> Sequence[Arrival]:
        """See the port."""
        changes = (committed.change for committed in self._store.history)
        return [Arrival(c.revision, c.accept_time, "") for c in changes if after < c.revision <= upto]

    def committed(self, outcome: Committed) -> None:
        """See the port."""
        if outcome.change.revision == self.snapshot.revision + 1:
            self.snapshot.apply(Update(outcome.change.revision, outcome.versioned))
            self._wake()

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """See the port; who is blind waits for nothing."""
        if not self.blind:
            self.catch_up()
        return self.snapshot.revision >= revision

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[None]]:
        """See the port."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield self._wakeups(event)
        finally:
            self._events.remove(event)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._events)

    def _wake(self) -> None:
        for event in self._events:
            event.set()

    async def _wakeups(self, event: asyncio.Event) -> AsyncIterator[None]:
        while True:
            await event.wait()
            event.clear()
            yield


class FakeAgents:
    """Agents that give the evidence they were told to."""

    def __init__(self) -> None:
        self.infos: list[AgentInfo] = []
        self.evidence: list[Evidence] = []
        self.asked: list[tuple[AgentInfo, Attempt]] = []

    def add(self, agent: str = "a1", *, cluster: str = "east", namespace: str = "default", **labels: str) -> AgentInfo:
        """An agent attaches."""
        self.infos.append(AgentInfo(agent, cluster, namespace, cluster, "1", labels))
        return self.infos[-1]

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """See the port."""
        return [i for i in self.infos if i.cluster == cluster and namespace in {"", i.namespace}]

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """See the port."""
        return next(iter(self.attached(mesh, cluster, namespace)), None)

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """The next of `evidence`; the last for ever."""
        self.asked.append((agent, attempt))
        return self.evidence.pop(0) if len(self.evidence) > 1 else self.evidence[0]


@dataclass
class World:
    """Everything a command is given, over one small mesh."""

    store: FakeStore = field(default_factory=FakeStore)
    agents: FakeAgents = field(default_factory=FakeAgents)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.replica = FakeReplica(self.store)
        self.services = Services(
            self.store,
            {"default": self.replica},
            self.agents,
            lambda: f"made-{next(numbers)}",
            lambda: NOW,
            OpenSealer(),
        )

    @classmethod
    def of(cls, *resources: Resource) -> "World":
        """A mesh with `resources`, the mesh itself being revision 1; the replica knows it all."""
        world = cls()
        world.put(MESH, *resources)
        return world

    def put(self, *resources: Resource) -> None:
        """Somebody writes, and the replica learns of it."""
        for resource in resources:
            self.store.put(resource)
        self.replica.catch_up()

    def delete(self, resource: Resource) -> None:
        """Somebody deletes, and the replica learns of it."""
        self.store.put(resource, deleted=True)
        self.replica.catch_up()


def setting(resource: Resource, **options: Any) -> Mutation[Any]:
    """Sets `resource`."""
    return Mutation(resource.name, ChangeType.SET, resource, Options(**{"fingerprint": "f", **options}))


def deleting(resource: Resource, **options: Any) -> Mutation[Any]:
    """Deletes what is called as `resource` is."""
    return Mutation(resource.name, ChangeType.DELETE, None, Options(**{"fingerprint": "f", **options}))
