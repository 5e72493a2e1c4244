"""A store, clusters and agents as the delivery loop sees them, all in memory and in the loop's own time.

The agents look at what the clusters really hold, so that a probe tells the truth unless a test says otherwise.
"""

# ruff: noqa: ARG002 - the ports name the mesh, and here there is one

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egress_server.domain.model.changes import ChangeRecord
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, Unavailable
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import UNSUPPORTED, ClusterStatus, Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.probe.evidence import Attempt, Evidence, UpstreamDelta
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.domain.render.virtual_service import resources_in
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Commit, Committed, Lease, RequestKey
from egress_server.ports.target import Applied, Live, Projection, Witness
from egress_server.targets.base import StaticTarget
from tests.support.memory_store import MemoryStore
from tests.support.meshes import BIRTH


def loop_time() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


class FakeStore(MemoryStore):
    """The in-memory store in the loop's time; it records what appliers write, and can be unreachable (`down`)."""

    def __init__(self) -> None:
        super().__init__(
            epochs={"default": "epoch-1"},
            clock=lambda: BIRTH + timedelta(seconds=loop_time()),
            monotonic=loop_time,
        )
        self.down = False
        self.records: list[tuple[float, list[ClusterStatus]]] = []
        self.commits: dict[RequestKey, Commit] = {}
        self.inventories: list[tuple[float, Inventory]] = []
        self.acquire_failures: list[Exception] = []
        self.refuses_inventories = False
        self.digests: dict[int, str | None] = {}
        """In place of those that the store has, by revision."""
        self.revision: int | None = None
        """Up to which revision there are digests; None: up to the last change."""
        self.accepted: datetime | None = None
        """When changes are accepted; None: each a second after the one before it."""

    async def reach(self) -> None:
        """Every call takes a millisecond."""
        await asyncio.sleep(0.001)
        if self.down:
            raise Unavailable("the store is away", reason="STORE_UNAVAILABLE")

    def accept_time(self, revision: int) -> datetime:
        """As `accepted` has it."""
        return self.accepted or BIRTH + timedelta(seconds=revision)

    def digest_of(self, revision: int, record: ChangeRecord, resource: Resource) -> str:
        """dREVISION, so that tests can name it."""
        return f"d{revision}"

    async def digest(self, mesh: str, revision: int) -> str | None:
        """See the port."""
        found = await super().digest(mesh, revision)
        if revision in self.digests:
            return self.digests[revision]
        return f"d{revision}" if self.revision and revision <= self.revision else found

    def write(self, commit: Commit) -> Committed:
        """An applier asks for each of its commits once."""
        if commit.record.actor != "user:rival":
            assert commit.request not in self.commits
            self.commits[commit.request] = commit
        return super().write(commit)

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """See the port."""
        self._take_inventories()
        await super().put_inventory(mesh, inventory)
        self.inventories.append((loop_time(), inventory))

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """See the port."""
        self._take_inventories()
        await super().drop_inventory(mesh, cluster)

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """See the port."""
        refused = await super().put_status(mesh, statuses)
        self.records.append((loop_time(), [status for status in statuses if status.cluster not in refused]))
        return refused

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """See the port."""
        if self.acquire_failures:
            raise self.acquire_failures.pop(0)
        return await super().acquire(mesh, cluster, owner, ttl)

    def _take_inventories(self) -> None:
        if self.refuses_inventories:
            raise Unavailable("no memory for that", reason="STORE_UNAVAILABLE")


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
        self.objects = {key_of(obj): obj for obj in strip_expired(list(self.objects.values()), now)}

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
