"""The events of a mesh for any number of watchers: read once, and kept in memory for a while.

Watchers pull: each keeps its own position and continues from there when it is woken. A slow watcher does not delay the
others. One that falls behind what is kept in memory reads from the store until it has caught up.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.changes import Change
from egress_server.domain.model.errors import EgressError, Unavailable
from egress_server.domain.model.rollout import Rollout, cluster_rollout
from egress_server.domain.model.status import ClusterStatus
from egress_server.ports.store import Replica, Store

_BATCH = 500


class Gap(Exception):
    """The next change is no longer in the store."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A cluster's last status, and the number of status writes after which it is known to be there."""

    status: ClusterStatus
    number: int


class ChangeBroadcaster:
    """The changes and cluster statuses of one mesh.

    At least `kept` changes stay in memory. `keep_alive` is the time in seconds after which a watcher without events
    gets a keep-alive, `patience` the time in seconds that a cursor may be ahead of this process.
    """

    def __init__(
        self,
        store: Store,
        replica: Replica,
        mesh: str,
        *,
        kept: int = 2_000,
        keep_alive: float = 15.0,
        patience: float = 5.0,
    ) -> None:
        self.keep_alive = keep_alive
        self.patience = patience
        self._kept = kept
        self._store = store
        self._replica = replica
        self._mesh = mesh
        self._epoch = ""
        self._newest = 0
        self._recent: list[Change] = []
        self._standings: dict[str, _Standing] = {}
        self._watchers: set[asyncio.Event] = set()
        self._reader = Background()
        self.closed = False

    @asynccontextmanager
    async def join(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set when there may be something to read. Raises Unavailable SERVER_STOPPING if closed."""
        if self.closed:
            raise Unavailable("the server is shutting down", reason="SERVER_STOPPING", retry_after=1.0)
        news = asyncio.Event()
        self._watchers.add(news)
        if not self._reader:
            # Before the reader's first turn: what is committed until then must not be read by each watcher.
            self._follow_epoch()
            self._reader.start(Task.CHANGE_BROADCASTER, self._read, expected=(EgressError,), mesh=self._mesh)
        try:
            yield news
        finally:
            self._watchers.discard(news)
            if not self._watchers:
                await self._reader.close()

    def close(self) -> None:
        """Sets `closed` and wakes all watchers."""
        self.closed = True
        self._wake()

    async def changes(self, after: int) -> Sequence[Change]:
        """Some of the changes after revision `after`, starting with the next one; empty if there are none yet. Raises
        Gap, and what the store raises."""
        if after >= self._newest:
            return ()
        if self._recent and self._recent[0].revision <= after + 1:
            first = after + 1 - self._recent[0].revision
            return self._recent[first : first + _BATCH]
        return await self.stored(after)

    async def stored(self, after: int, count: int = _BATCH) -> Sequence[Change]:
        """The same, read from the store."""
        due = after < self._replica.snapshot.revision
        found = await self._store.changes(self._mesh, before=None, after=after, count=count, newest_first=False)
        if (found and found[0].revision != after + 1) or (due and not found):
            raise Gap
        return found

    def rollouts(self, after: int) -> list[tuple[int, Rollout]]:
        """Rollouts of the clusters whose status was written after `after` writes, each with the number to continue
        from."""
        found = sorted((each.number, id_) for id_, each in self._standings.items() if each.number > after)
        clusters = ((number, id_, self._replica.snapshot.cluster(id_)) for number, id_ in found)
        return [
            (number, cluster_rollout(c, self._standings[id_].status)) for number, id_, c in clusters if c is not None
        ]

    def _wake(self) -> None:
        for news in self._watchers:
            news.set()

    async def _read(self) -> None:
        with self._replica.watch() as wakeups:
            while True:
                await self._take_in()
                self._wake()
                await anext(wakeups)

    async def _take_in(self) -> None:
        self._follow_epoch()
        snapshot = self._replica.snapshot
        if snapshot.revision - self._newest > self._kept:
            self._start_at(snapshot.revision - self._kept)
        self._take_statuses()
        while self._newest < snapshot.revision:
            try:
                found = await self.stored(self._newest)
            except Gap:
                self._start_at(snapshot.revision)
                return
            self._recent += found
            self._newest = found[-1].revision
        if len(self._recent) > 2 * self._kept:
            del self._recent[: -self._kept]

    def _follow_epoch(self) -> None:
        """Starts over if the store is another one, or was rewound."""
        snapshot = self._replica.snapshot
        if snapshot.epoch != self._epoch or snapshot.revision < self._newest:
            self._epoch, self._standings = snapshot.epoch, {}
            self._start_at(snapshot.revision)

    def _start_at(self, revision: int) -> None:
        self._newest, self._recent = revision, []

    def _take_statuses(self) -> None:
        number = self._replica.status_number
        for cluster, status in self._replica.statuses.items():
            known = self._standings.get(cluster)
            if known is None or known.status is not status:
                same = known is not None and _essence(known.status) == _essence(status)
                self._standings[cluster] = _Standing(status, known.number if known and same else number)


def _essence(status: ClusterStatus) -> ClusterStatus:
    """The part of a status whose change is an event."""
    return replace(status, last_seen_time=None, fence=0)
