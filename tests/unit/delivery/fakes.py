"""A store, clusters and agents as the delivery loop sees them, all in memory and in the loop's own time.

The agents look at what the clusters really hold, so that a probe tells the truth unless a test says otherwise.
"""

# ruff: noqa: ARG002 - the ports name the mesh, and here there is one

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Change
from egress_server.domain.model.errors import PermanentError, Unavailable
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import Cluster
from egress_server.domain.model.status import UNSUPPORTED, ClusterStatus, Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.probe.judge import Attempt, Evidence, UpstreamDelta
from egress_server.domain.render.expired_faults import strip_ended
from egress_server.domain.render.virtual_service import resources_in
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Arrival, Commit, Committed, Lease, RequestKey, Stale
from egress_server.ports.target import Applied, Live, Projection, Witness
from egress_server.targets.base import StaticTarget
from tests.support.meshes import BIRTH, History


def loop_time() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


@dataclass
class _Holder:
    owner: str
    fence: int
    until: float


class FakeReplica:
    """The process's copy of desired state."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._statuses: dict[str, ClusterStatus] = {}
        self._inventories: dict[str, Inventory] = {}
        self._watchers: list[asyncio.Event] = []
        self.status_number = 0
        self.resyncs: dict[str, int] = {}
        self.arrived: list[Arrival] = []

    @property
    def snapshot(self) -> Snapshot:
        """Desired state."""
        return self.history.snapshot

    @property
    def statuses(self) -> dict[str, ClusterStatus]:
        """The last records."""
        return self._statuses

    @property
    def inventories(self) -> dict[str, Inventory]:
        """The last inventories."""
        return self._inventories

    def arrivals(self, after: int, upto: int) -> Sequence[Arrival]:
        """Those that a test names."""
        return [arrival for arrival in self.arrived if after < arrival.revision <= upto]

    def committed(self, outcome: Committed) -> None:
        """The store has put it into the history already."""

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """Looks again until the timeout."""
        until = loop_time() + timeout
        while self.snapshot.revision < revision:
            if loop_time() >= until:
                return False
            await asyncio.sleep(0.01)
        return True

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[None]]:
        """Wakes after `tell`."""
        event = asyncio.Event()
        self._watchers.append(event)
        try:
            yield self._wakeups(event)
        finally:
            self._watchers.remove(event)

    async def _wakeups(self, event: asyncio.Event) -> AsyncIterator[None]:
        while True:
            await event.wait()
            event.clear()
            yield None

    def tell(self) -> None:
        """Wakes whoever watches."""
        for event in self._watchers:
            event.set()


class FakeStore:
    """Leases, records and digests. `down` makes it unreachable."""

    def __init__(self, replica: FakeReplica) -> None:
        self._replica = replica
        self.down = False
        self.records: list[tuple[float, list[ClusterStatus]]] = []
        self.digests: dict[int, str | None] = {}
        self.revision: int | None = None
        self.acquire_failures: list[Exception] = []
        self._leases: dict[str, _Holder] = {}
        self._fences: dict[str, int] = {}
        self.commits: dict[RequestKey, Commit] = {}
        self.inventories: list[tuple[float, Inventory]] = []
        self.refuses_inventories = False

    async def digest(self, mesh: str, revision: int) -> str | None:
        """dREVISION up to the head, unless `digests` says otherwise."""
        await self._reach()
        head = self._replica.snapshot.revision if self.revision is None else self.revision
        return self.digests.get(revision, f"d{revision}" if revision <= head else None)

    async def now(self) -> datetime:
        """The loop's time, as a date."""
        await self._reach()
        return BIRTH + timedelta(seconds=loop_time())

    async def commit(self, commit: Commit) -> Committed:
        """Deletes, as nothing else is committed here."""
        await self._reach()
        before = self._replica.snapshot.get(commit.resource.name)
        if commit.request in self.commits:
            raise AssertionError("the same request twice")
        if before is None or before.revision > commit.revision:
            raise Stale(self._replica.snapshot.revision)
        assert commit.deletes
        self.commits[commit.request] = commit
        revision = self._replica.history.delete(commit.resource)
        self._replica.tell()
        change = Change(commit.mesh, revision, before.revision, before.update_time, commit.record)
        return Committed(change, replace(before, revision=revision, deleted=True))

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """Keeps it."""
        await self._reach()
        if self.refuses_inventories:
            raise Unavailable("no room for that", reason="STORE_UNAVAILABLE")
        self._replica.inventories[inventory.cluster] = inventory
        self.inventories.append((loop_time(), inventory))

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """Forgets it."""
        await self._reach()
        if self.refuses_inventories:
            raise Unavailable("no time for that", reason="STORE_UNAVAILABLE")
        self._replica.inventories.pop(cluster, None)

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """Keeps those whose fence is young enough."""
        await self._reach()
        refused = [status.cluster for status in statuses if status.fence < self._fences.get(status.cluster, 0)]
        taken = [status for status in statuses if status.cluster not in refused]
        self.records.append((loop_time(), taken))
        self._replica.statuses.update({status.cluster: status for status in taken})
        self._replica.tell()
        return refused

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """The lease, if it is free or the owner's."""
        if self.acquire_failures:
            raise self.acquire_failures.pop(0)
        await self._reach()
        holder = self._leases.get(cluster)
        if holder is None or holder.until <= loop_time():
            self._fences[cluster] = self._fences.get(cluster, 0) + 1
            holder = self._leases[cluster] = _Holder(owner, self._fences[cluster], 0.0)
        if holder.owner != owner:
            return None
        holder.until = loop_time() + ttl
        return Lease(cluster, holder.fence, holder.until)

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        """Gives it back."""
        await self._reach()
        if self.owner(cluster) == owner:
            del self._leases[cluster]

    def owner(self, cluster: str) -> str | None:
        """Who holds the lease."""
        holder = self._leases.get(cluster)
        return holder.owner if holder and holder.until > loop_time() else None

    def give(self, cluster: str, owner: str, seconds: float) -> None:
        """Another applier takes the lease, whoever held it."""
        self._fences[cluster] = self._fences.get(cluster, 0) + 1
        self._leases[cluster] = _Holder(owner, self._fences[cluster], loop_time() + seconds)

    async def _reach(self) -> None:
        await asyncio.sleep(0.001)
        if self.down:
            raise Unavailable("the store is away", reason="STORE_UNAVAILABLE")


@dataclass(frozen=True)
class Write:
    """One apply as the cluster saw it."""

    at: float
    upsert: tuple[str, ...]
    delete: tuple[str, ...]
    witness: Witness


NO_WITNESS = Witness("", 0, "", 0)
"""What stands in a write that takes the witness away."""


@dataclass
class FakeTarget(StaticTarget):
    """A cluster. `failures` are raised by the next gathers; `apply_failures` by the next applies; `deaf` by the next
    attempts to listen, of which there were `listeners`; `propagation_delay` is what `propagation_problem` returns."""

    cluster: str
    objects: dict[ObjectKey, IstioObject] = field(default_factory=dict)
    witness: Witness | None = None
    writes: list[Write] = field(default_factory=list)
    gathers: int = 0
    failures: list[Exception] = field(default_factory=list)
    apply_failures: list[Exception] = field(default_factory=list)
    seconds: float = 0.0
    unable: dict[str, str] = field(default_factory=dict)
    unable_at_apply: dict[str, str] = field(default_factory=dict)
    busy: bool = False
    closed: bool = False
    close_failures: list[Exception] = field(default_factory=list)
    debounce: float = 0.0
    propagation: float = 0.0
    propagation_delay: Problem | None = None
    tells: bool = False
    deaf: list[Exception] = field(default_factory=list)
    listeners: int = 0
    restarted: list[tuple[float, str]] = field(default_factory=list)
    restart_seconds: float = 3.0
    restart_failures: list[Exception] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    inventory: Inventory | None = None
    changed_by: dict[ObjectKey, str] = field(default_factory=dict)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def meddle(self, name: str, spec: dict[str, Any] | None = None, by: str = "") -> None:
        """Somebody else changes our objects of this name, or removes them, and whoever listens hears of it."""
        for key in [key for key in self.objects if key.name == name]:
            if spec is None:
                del self.objects[key]
            else:
                self.objects[key] = {**self.objects[key], "spec": {**self.objects[key]["spec"], **spec}}
                self.changed_by[key] = by
        self._stirred.set()

    async def restart(self, workload: str) -> None:
        """It is back after `restart_seconds`, unless it is in `lost`."""
        self.restarted.append((loop_time(), workload))
        if self.restart_failures:
            raise self.restart_failures.pop(0)
        await asyncio.sleep(self.restart_seconds)
        if workload in self.lost:
            raise PermanentError("NOT_BACK", f"{workload} is not back")

    def propagation_problem(self) -> Problem | None:
        """What a test says."""
        return self.propagation_delay

    def hang_up(self) -> None:
        """Whoever listens is told no more."""
        self.tells = False
        self._stirred.set()

    async def changes(self) -> AsyncIterator[None]:
        """What `meddle` does from here on, where the cluster `tells`."""
        self.listeners += 1
        self._stirred.clear()
        if self.deaf:
            raise self.deaf.pop(0)
        while self.tells:
            await self._stirred.wait()
            self._stirred.clear()
            if self.tells:
                yield None

    async def gather(self) -> Live:
        """What lives here."""
        self.gathers += 1
        await self._serial(0.001)
        if self.failures:
            raise self.failures.pop(0)
        inventory = self.inventory and replace(self.inventory, observe_time=BIRTH + timedelta(seconds=loop_time()))
        return Live(dict(self.objects), self.witness, inventory, dict(self.changed_by))

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """Takes it after `seconds`."""
        if self.apply_failures:
            raise self.apply_failures.pop(0)
        await self._serial(self.seconds)
        for key in delete:
            del self.objects[key]
        refused = {key_of(obj) for obj in upsert if self.unable_at_apply.keys() & resources_in(obj)}
        self.objects |= {key_of(obj): obj for obj in upsert if key_of(obj) not in refused}
        self.witness = witness
        self.writes.append(
            Write(
                loop_time(),
                tuple(obj["metadata"]["name"] for obj in upsert),
                tuple(key.name for key in delete),
                witness or NO_WITNESS,
            )
        )
        return Applied({name: Problem(UNSUPPORTED, why) for name, why in self.unable_at_apply.items()})

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        """Not those in `unable`, by resource name."""
        held = tuple(obj for obj in objects if resource_of(obj) not in self.unable)
        names = {resource_of(obj) for obj in objects} & self.unable.keys()
        return Projection(held, {name: Problem(UNSUPPORTED, self.unable[name]) for name in names})

    async def strip_ended(self, now: datetime) -> None:
        """At once, beside whatever else is going on."""
        if self.failures:
            raise self.failures.pop(0)
        self.objects = {key_of(obj): obj for obj in strip_ended(list(self.objects.values()), now)}

    async def close(self) -> None:
        """Notes it."""
        self.closed = True
        if self.close_failures:
            raise self.close_failures.pop(0)

    async def _serial(self, seconds: float) -> None:
        assert not self.busy, "two requests to one cluster at one time"
        self.busy = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.busy = False


class FakeTargets:
    """Opens targets; `failures` are raised by the next openings, `foreign` clusters are not ours to drive."""

    def __init__(self) -> None:
        self._targets: dict[str, FakeTarget] = {}
        self._opened: dict[str, FakeTarget] = {}
        self.failures: list[Exception] = []
        self.forgotten: list[str] = []
        self.foreign: set[str] = set()

    def drives(self, cluster: Cluster) -> bool:
        """All but the foreign ones."""
        return cluster.id not in self.foreign

    def __getitem__(self, cluster: str) -> FakeTarget:
        return self._targets.setdefault(cluster, FakeTarget(cluster))

    def move(self, cluster: str) -> FakeTarget:
        """The cluster is somewhere else from the next opening on."""
        self._targets[cluster] = FakeTarget(cluster)
        return self._targets[cluster]

    async def open(self, cluster: Cluster) -> FakeTarget:
        """The target of a cluster, the same one each time."""
        if self.failures:
            raise self.failures.pop(0)
        self._opened[cluster.id] = target = self[cluster.id]
        target.closed = False
        return target

    async def forget(self, cluster_id: str) -> None:
        """Notes it."""
        assert self._opened[cluster_id].closed
        self.forgotten.append(cluster_id)


class FakeAgents:
    """Agents whose probes see what the cluster holds. `answers` overrides them by URL; `blind` sees nothing for that
    many probes; `failures` are raised by the next ones."""

    def __init__(self, targets: FakeTargets) -> None:
        self._targets = targets
        self.agents: list[AgentInfo] = []
        self.asked: list[tuple[float, str, str, str]] = []
        self.answers: dict[str, Evidence] = {}
        self.failures: list[Exception] = []
        self.seconds = 0.01

    def attach(self, agent: str = "a1", cluster: str = "east", namespace: str = "default") -> None:
        """An agent comes."""
        self.agents.append(AgentInfo(agent, cluster, namespace, "", "1"))

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """Those of the cluster."""
        return [agent for agent in self.agents if agent.cluster == cluster and namespace in {"", agent.namespace}]

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The first of them."""
        return next(iter(self.attached(mesh, cluster, namespace)), None)

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """What the cluster's sidecar does with it."""
        url = attempt.destination.url
        self.asked.append((loop_time(), agent.agent, url, attempt.resolve))
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        return self.answers.get(url) or _sidecar(self._targets[agent.cluster].objects.values(), attempt)

    @property
    def urls(self) -> list[str]:
        """What was asked, in order."""
        return [url for _, _, url, _ in self.asked]


SEEN = Evidence(captured=True, address="203.0.113.10:80", http_version="HTTP/1.1")
BLOCKED = replace(SEEN, status=502)
CUT = replace(SEEN, tls_error="EOF occurred")
MUTE = replace(SEEN, error="timed out")
WARMING = replace(SEEN, status=503, warming_clusters=("outbound|80||bank.example.com",))


def passed(cluster: str = "PassthroughCluster") -> Evidence:
    """One request went out through an Envoy cluster."""
    went = UpstreamDelta(cluster, SEEN.address, cx_total=1, rq_total=1)
    return replace(SEEN, status=200, upstreams=(went,))


def unreachable(cluster: str) -> Evidence:
    """The Envoy cluster could not connect."""
    return replace(SEEN, status=503, upstreams=(UpstreamDelta(cluster, SEEN.address, cx_total=1, cx_connect_fail=1),))


def _sidecar(objects: Iterable[IstioObject], attempt: Attempt) -> Evidence:
    host, port = attempt.destination.host, attempt.destination.port
    mode = "ALLOW_ANY"
    for obj in objects:
        spec = obj["spec"]
        if obj["kind"] == "Sidecar":
            mode = spec["outboundTrafficPolicy"]["mode"]
        elif host in spec["hosts"] and any(each["number"] == port for each in spec["ports"]):
            return passed(f"outbound|{port}||{host}")
    if mode == "ALLOW_ANY":
        return passed()
    return BLOCKED if attempt.destination.scheme == "http" else CUT
