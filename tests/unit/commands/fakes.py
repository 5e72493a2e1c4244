"""In-memory ports for commands: the store of the contract suite, with rivals and lost replies."""

# ruff: noqa: ARG002 # a fake takes all arguments of its port

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from egress_server.commands.mutate import Mutation, Options
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agents import AgentInfo
from egress_server.ports.identity import Principal
from egress_server.ports.store import Commit, Committed
from tests.support.doubles.memory_store import MemoryReplica, MemoryStore
from tests.support.meshes import MESH
from tests.support.sealing import OpenSealer

EPOCH = "epoch-1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CALLER = Caller(Principal("user:alice"), "/egress.v1.EgressService/Method", "f" * 32)


class FakeStore(MemoryStore):
    """The in-memory store; it records commits, lets rivals write and loses replies. Each change is a second later."""

    def __init__(self) -> None:
        super().__init__(epochs={"default": EPOCH}, clock=lambda: NOW)
        self.commits: list[Commit] = []
        self.rivals: list[Callable[[], object]] = []
        """Each is called before one commit."""
        self.lost_replies = 0
        """How many commits are made without a reply."""
        self.resyncs_asked: list[str] = []

    def accept_time(self, revision: int) -> datetime:
        """A second after the previous change."""
        return NOW + timedelta(seconds=revision)

    @property
    def snapshot(self) -> Snapshot:
        """Desired state in the store."""
        return self.snapshot_of()

    @property
    def history(self) -> list[Committed]:
        """All changes, oldest first."""
        return [Committed(entry.change, entry.versioned) for entry in self.mesh("default").log]

    async def commit(self, commit: Commit) -> Committed:
        """See the port."""
        self.commits.append(commit)
        return await super().commit(commit)

    def check(self, commit: Commit) -> None:
        """A rival is faster."""
        if self.rivals:
            self.rivals.pop(0)()
        super().check(commit)

    def write(self, commit: Commit) -> Committed:
        """The reply may get lost."""
        committed = super().write(commit)
        if self.lost_replies and commit in self.commits:
            self.lost_replies -= 1
            raise ConnectionError
        return committed

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        """See the port."""
        self.resyncs_asked.append(cluster)
        await super().ask_resync(mesh, cluster)


class FakeReplica(MemoryReplica):
    """A replica that catches up when someone waits for it, and with own commits that follow its state."""

    def __init__(self, store: FakeStore) -> None:
        super().__init__(store, follows=False)
        self._store = store

    def report(self, status: ClusterStatus) -> None:
        """Only an applier's record arrives."""
        self._store.write_statuses("default", [status])
        self.statuses[status.cluster] = status
        self.status_number = self._mesh.status_number
        self.wake()


class FakeAgents:
    """Agents that return scripted evidence."""

    def __init__(self) -> None:
        self.infos: list[AgentInfo] = []
        self.evidence: list[Evidence] = []
        self.reports: list[LiveReport] = []
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
        """The next of `evidence`; the last one forever."""
        self.asked.append((agent, attempt))
        return self.evidence.pop(0) if len(self.evidence) > 1 else self.evidence[0]

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """The next of `reports`; the last one forever."""
        self.asked.append((agent, attempt))
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]


@dataclass
class World:
    """Everything that a command gets, over one small mesh."""

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
        """A mesh with `resources`; the mesh itself is revision 1, and the replica has everything."""
        world = cls()
        world.put(MESH, *resources)
        return world

    def put(self, *resources: Resource) -> None:
        """Another client writes, and the replica learns of it."""
        for resource in resources:
            self.store.put(resource)
        self.replica.catch_up()

    def applied(self, cluster: str = "east") -> None:
        """The cluster has applied everything so far."""
        self.replica.report(ClusterStatus(cluster, Phase.SETTLED, applied_revision=self.replica.snapshot.revision))

    def delete(self, resource: Resource) -> None:
        """Another client deletes, and the replica learns of it."""
        self.store.put(resource, deleted=True)
        self.replica.catch_up()


def setting(resource: Resource, **options: Any) -> Mutation[Any]:
    """Sets `resource`."""
    return Mutation(resource.name, ChangeType.SET, resource, Options(**{"fingerprint": "f", **options}))


def deleting(resource: Resource, **options: Any) -> Mutation[Any]:
    """Deletes the resource with the name of `resource`."""
    return Mutation(resource.name, ChangeType.DELETE, None, Options(**{"fingerprint": "f", **options}))
