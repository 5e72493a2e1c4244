"""What the controllers of one applier share: ports, settings, the store's clock, digests of revisions."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.writers import StatusWriter
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import EgressError
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Monotonic
from egress_server.ports.store import ApplierStore, Replica
from egress_server.ports.target import Targets

INTERNAL_ERROR = "internal error in the applier; see its logs"
"""What a status says of an unexpected exception: never its text."""
_DIGEST_SECONDS = 1.0


class StoreClock:
    """The store's clock as of its last answer, at most `interval` seconds ago while the store can be reached."""

    def __init__(self, store: ApplierStore, monotonic: Monotonic, interval: float, wall: Clock) -> None:
        self._store = store
        self._wall = wall
        self._monotonic = monotonic
        self._interval = interval
        self._answer: tuple[datetime, float] | None = None

    async def known(self) -> bool:
        """Whether the time is known; asks the store if it is not known yet."""
        if self._answer is None:
            try:
                await self._ask()
            except EgressError:
                return False
        return True

    def now(self) -> datetime:
        """The time, never early: an answer is old when it arrives. Only call this once the time is `known`."""
        assert self._answer is not None
        time, answered_at = self._answer
        return time + timedelta(seconds=self._monotonic() - answered_at)

    def seconds_until(self, time: datetime) -> float:
        """The seconds until `time`; by the local clock if the store's is not known."""
        now = self._wall() if self._answer is None else self.now()
        return (time - now).total_seconds()

    async def keep(self) -> None:
        """Asks the store at each interval until cancelled. Raises what the store raises."""
        while True:
            await self._ask()
            await asyncio.sleep(self._interval)

    async def _ask(self) -> None:
        self._answer = await self._store.now(), self._monotonic()


class RevisionDigests:
    """Digests of revisions, read once for all clusters at the same revision.

    They are kept only briefly, so that a replaced store is noticed.
    """

    def __init__(self, store: ApplierStore, mesh: str, monotonic: Monotonic) -> None:
        self._store = store
        self._mesh = mesh
        self._monotonic = monotonic
        self._known: dict[int, str] = {}
        self._since = 0.0
        self._lock = asyncio.Lock()

    async def of(self, revision: int) -> str | None:
        """The digest of a revision; None if the store does not have it. Raises what the store raises."""
        async with self._lock:
            if self._monotonic() - self._since > _DIGEST_SECONDS:
                self._known = {}
                self._since = self._monotonic()
            if revision not in self._known:
                digest = await self._store.digest(self._mesh, revision)
                if digest is None:
                    return None
                self._known[revision] = digest
            return self._known[revision]


@dataclass(frozen=True, slots=True)
class ApplierContext:
    """Ports, settings and shared services. `slots` limits how many clusters are reconciled at the same time."""

    mesh: str
    owner: str
    store: ApplierStore
    replica: Replica
    targets: Targets
    agents: AgentSessions
    clock: Clock
    monotonic: Monotonic
    random: Random
    settings: DeliverySettings
    statuses: StatusWriter
    digests: RevisionDigests
    store_clock: StoreClock
    slots: asyncio.Semaphore

    def registration(self, cluster: str) -> Cluster | None:
        """How a cluster is registered now; None if it is not."""
        return self.replica.snapshot.cluster(cluster)
