"""The store and the agents of delivery's tests, in memory and in the loop's own time.

A probe is answered by what the cluster really holds, unless a test sets an answer.
"""

# ruff: noqa: ARG002 - the ports name the mesh, and here there is only one

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.changes import ChangeRecord
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.probe.evidence import Attempt, Evidence, Timings, UpstreamDelta
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Commit, Committed, Lease, RequestKey
from tests.support.doubles.memory_store import MemoryStore
from tests.support.doubles.memory_target import MemoryTargets, loop_time
from tests.support.meshes import BIRTH


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
        """Override those of the store, by revision."""
        self.revision: int | None = None
        """Up to which revision there are digests; None: up to the last change."""
        self.accepted: datetime | None = None
        """When changes are accepted; None: each a second after the previous one."""

    async def reach(self) -> None:
        """Every call takes a millisecond."""
        await asyncio.sleep(0.001)
        if self.down:
            raise Unavailable("the store is down", reason="STORE_UNAVAILABLE")

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
        """Counts how often an applier asks for a commit."""
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


class FakeAgents:
    """Agents whose probes see what the cluster holds. `answers` overrides them by URL; `blind` sees nothing for that
    many probes; `failures` are raised by the next ones."""

    def __init__(self, targets: MemoryTargets) -> None:
        self._targets = targets
        self.agents: list[AgentInfo] = []
        self.asked: list[tuple[float, str, str, str]] = []
        self.answers: dict[str, Evidence] = {}
        self.failures: list[Exception] = []
        self.seconds = 0.01

    def attach(self, agent: str = "a1", cluster: str = "east", namespace: str = "default") -> None:
        """An agent attaches."""
        self.agents.append(AgentInfo(agent, cluster, namespace, "", "1"))

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """Those of the cluster."""
        return [agent for agent in self.agents if agent.cluster == cluster and namespace in {"", agent.namespace}]

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The first of them."""
        return next(iter(self.attached(mesh, cluster, namespace)), None)

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """Verification asks for none."""
        raise AssertionError("verification makes attempts")

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """What the cluster's sidecar does with the request."""
        url = attempt.destination.url
        self.asked.append((loop_time(), agent.agent, url, attempt.resolve))
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        return self.answers.get(url) or _sidecar(self._targets[agent.cluster].objects.values(), attempt)

    @property
    def urls(self) -> list[str]:
        """What was requested, in order."""
        return [url for _, _, url, _ in self.asked]


SEEN = Evidence(captured=True, address="203.0.113.10:80", http_version="HTTP/1.1")
BLOCKED = replace(SEEN, status=502)
CUT = replace(SEEN, tls_error="EOF occurred")
MUTE = replace(SEEN, error="timed out")
WARMING = replace(SEEN, status=503, warming_clusters=("outbound|80||bank.example.com",))


def passed(cluster: str = "PassthroughCluster") -> Evidence:
    """One request was sent by an Envoy cluster, and answered."""
    went = UpstreamDelta(cluster, SEEN.address, cx_total=1, rq_total=1)
    return replace(SEEN, status=200, timings=Timings(tls=0.01), upstreams=(went,))


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
