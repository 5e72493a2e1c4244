"""This process's copy of one mesh: loaded once, then kept current by the two streams.

A stream is a hint, the store is the truth. Entries of the log name resources; their present values are read. Where
entries are missing (lost, trimmed away, another epoch) everything is loaded anew, and every few seconds the head is
compared, in case the missing entry was the last one. One blocked read a process, whatever it serves.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import structlog

from egress_server.domain.desired.snapshot import Snapshot, Update
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.observed.inventory_index import Inventories
from egress_server.ports.store import Arrival, Committed
from egress_server.store.codec import (
    INVENTORY_PREFIX,
    RESYNC_PREFIX,
    Entry,
    decode_inventory,
    decode_status,
    decode_versioned,
    number_of,
    pairs,
)
from egress_server.store.keys import MeshKeys
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.watchers import Watchers

_log = structlog.get_logger(__name__)

_BLOCK_MS = 2_000
_CHECK_SECONDS = 5.0
_COALESCE_SECONDS = 0.005
"""Rest after news, so that a burst of commits is read in one go."""
_AWAY_SECONDS = 0.5
_BATCH = 1_000
_ARRIVALS = 256
"""Changes whose arrival is remembered."""


class _Head(NamedTuple):
    epoch: str
    revision: int
    status: int


class RedisReplica:
    """See ports.store.Replica. The connection must be its own: it spends its time in blocked reads."""

    def __init__(self, connection: RedisConnection, mesh: str) -> None:
        self._connection = connection
        self._keys = MeshKeys(mesh)
        self._inventories = Inventories()
        self._snapshot = Snapshot(mesh, "", 0, (), inventories=self._inventories)
        self._statuses: dict[str, ClusterStatus] = {}
        self._status_number = 0
        self._resyncs: Counter[str] = Counter()
        self._arrivals: deque[Arrival] = deque(maxlen=_ARRIVALS)
        self._ahead = 0
        self._wakeups = Watchers()
        self._check_at = 0.0
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads everything and begins to follow. Raises Unavailable."""
        await self._load()
        self._follower = asyncio.create_task(self._follow(), name="follow store")

    async def close(self) -> None:
        """Stops following."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    @property
    def snapshot(self) -> Snapshot:
        """See the port."""
        return self._snapshot

    @property
    def statuses(self) -> dict[str, ClusterStatus]:
        """See the port."""
        return self._statuses

    @property
    def inventories(self) -> Mapping[str, Inventory]:
        """See the port."""
        return self._inventories

    @property
    def status_number(self) -> int:
        """See the port."""
        return self._status_number

    @property
    def resyncs(self) -> Mapping[str, int]:
        """See the port."""
        return self._resyncs

    def arrivals(self, after: int, upto: int) -> Sequence[Arrival]:
        """See the port."""
        return [arrival for arrival in self._arrivals if after < arrival.revision <= upto]

    def committed(self, outcome: Committed) -> None:
        """See the port. An outcome that does not follow on our copy is left to the stream."""
        revision = outcome.change.revision
        if revision == self._snapshot.revision + 1 and revision > self._ahead:
            self._snapshot.apply(Update(revision, outcome.versioned))
            self._arrivals.append(Arrival(revision, outcome.change.accept_time, outcome.traceparent))
            self._wakeups.tell(revision)

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """See the port."""
        return self._snapshot.revision >= revision or await self._wakeups.wait(revision, timeout)

    def watch(self) -> AbstractContextManager[AsyncIterator[None]]:
        """See the port."""
        return self._wakeups.watch()

    async def _follow(self) -> None:
        while True:
            try:
                quiet = not await self._read(_BLOCK_MS)
                if quiet or asyncio.get_running_loop().time() >= self._check_at:
                    await self._check()
                await asyncio.sleep(_COALESCE_SECONDS)
            except Unavailable as error:
                _log.warning("store_away", mesh=self._keys.mesh, error=str(error))
                await asyncio.sleep(_AWAY_SECONDS)
            except Exception:  # noqa: BLE001 # whatever it was, a copy that stands still is worse
                _log.exception("store_follow_failed", mesh=self._keys.mesh)
                await asyncio.sleep(_CHECK_SECONDS)

    async def _read(self, block_ms: int | None) -> bool:
        """Takes in what the streams have since our place in them; False where that is nothing."""
        block = () if block_ms is None else ("BLOCK", block_ms)
        keys = self._keys
        at = (f"{self._snapshot.revision}-0", f"{self._status_number}-0")
        reply: list[tuple[bytes, list[Entry]]] | None = await self._connection.call(
            "XREAD", "COUNT", _BATCH, *block, "STREAMS", keys.log, keys.status_log, *at
        )
        news = dict(reply or ())
        revision, number = self._snapshot.revision, self._status_number
        whole = await self._take_log(news.get(keys.log.encode(), ()))
        whole = whole and await self._take_statuses(news.get(keys.status_log.encode(), ()))
        if not whole:
            _log.warning("store_entries_missing", mesh=keys.mesh, revision=self._snapshot.revision)
            await self._load()
        if (revision, number) != (self._snapshot.revision, self._status_number):
            self._wakeups.tell(self._snapshot.revision)
        return bool(news)

    async def _take_log(self, entries: Sequence[Entry]) -> bool:
        """Applies what the named resources are now; False where an entry is missing."""
        own = self._snapshot.revision
        changed = [(n, *_named(entry)) for entry in entries if (n := number_of(entry)) > own]
        if not changed:
            return True
        if not _contiguous([own, *(number for number, _, _ in changed)]):
            return False
        # Of a resource named twice only the later entry counts: the value is the same.
        last = {name: number for number, name, _ in changed}
        times: dict[str, datetime] = {}
        values = await self._connection.call("HMGET", self._keys.resources, *last)
        for (name, number), value in sorted(zip(last.items(), values, strict=True), key=_by_number):
            versioned = decode_versioned(name, value) if value else await self._gone(name)
            if versioned is None:
                return False
            # A value may be newer than its entry. Its own entry is still to come; until then an own commit from
            # in between must not put the older state back.
            self._ahead = max(self._ahead, versioned.revision)
            self._snapshot.apply(Update(number, versioned))
            times[name] = versioned.update_time
        known = self._arrivals[-1].revision if self._arrivals else 0
        self._arrivals += [Arrival(n, times[name], traceparent) for n, name, traceparent in changed if n > known]
        return True

    async def _gone(self, name: str) -> Versioned[Resource] | None:
        """The last version of a deleted resource."""
        newest: list[Entry] = await self._connection.call("XREVRANGE", self._keys.history(name), "+", "-", "COUNT", 1)
        return decode_versioned(name, newest[0][1][1]) if newest else None

    async def _take_statuses(self, entries: Sequence[Entry]) -> bool:
        """Takes over the records in the entries; False where an entry is missing."""
        if not _contiguous([self._status_number, *(number_of(entry) for entry in entries)]):
            return False
        await self._read_inventories(entries)
        for entry in entries:
            for field, record in pairs(entry[1]):
                cluster = field.decode()
                if cluster.startswith(RESYNC_PREFIX):
                    self._resyncs[cluster.removeprefix(RESYNC_PREFIX)] += 1
                elif not cluster.startswith(INVENTORY_PREFIX):
                    self._statuses[cluster] = decode_status(record)
            self._status_number = number_of(entry)
        return True

    async def _read_inventories(self, entries: Sequence[Entry]) -> None:
        """Reads the inventories that the entries name, as they are now."""
        fields = {field.decode() for entry in entries for field, _ in pairs(entry[1])}
        named = [f.removeprefix(INVENTORY_PREFIX) for f in sorted(fields) if f.startswith(INVENTORY_PREFIX)]
        if not named:
            return
        records = await self._connection.call("HMGET", self._keys.inventories, *named)
        for cluster, record in zip(named, records, strict=True):
            if record:
                self._inventories.put(decode_inventory(record))
            else:
                self._inventories.drop(cluster)

    async def _check(self) -> None:
        """Compares heads: finds lost entries behind which nothing came, and a store that is another one now."""
        self._check_at = asyncio.get_running_loop().time() + _CHECK_SECONDS
        snapshot, revision, number = self._snapshot, self._snapshot.revision, self._status_number
        head = _head(await self._connection.call("HMGET", self._keys.meta, *_Head._fields))
        if not head.epoch:
            _log.error("store_lost", mesh=self._keys.mesh, revision=revision)
            return
        if head.epoch != snapshot.epoch or head.revision < revision or head.status < number:
            _log.error("store_rewound", mesh=self._keys.mesh, revision=revision, head=head.revision)
            await self._load()
            self._wakeups.tell(self._snapshot.revision)
            return
        while self._snapshot.revision < head.revision or self._status_number < head.status:
            if not await self._read(None):
                _log.warning("store_entries_missing", mesh=self._keys.mesh, head=head.revision)
                await self._load()
                self._wakeups.tell(self._snapshot.revision)

    async def _load(self) -> None:
        """Reads everything as of one moment."""
        keys, known = self._keys, self._snapshot
        revision = known.revision
        meta, resources, statuses, inventories = await self._connection.read_at_once(
            ("HMGET", keys.meta, *_Head._fields),
            ("HGETALL", keys.resources),
            ("HGETALL", keys.status),
            ("HGETALL", keys.inventories),
        )
        head = _head(meta)
        self._statuses = {cluster.decode(): decode_status(record) for cluster, record in pairs(statuses)}
        self._inventories = Inventories(decode_inventory(record) for _, record in pairs(inventories))
        known.inventories = self._inventories
        self._status_number = head.status
        if head.epoch == known.epoch and revision <= head.revision < known.revision:
            return  # own commits have carried the snapshot past what was read
        versions = [decode_versioned(name.decode(), value) for name, value in pairs(resources)]
        self._snapshot = Snapshot(keys.mesh, head.epoch, head.revision, versions, inventories=self._inventories)
        self._ahead = head.revision
        self._arrivals.clear()


def _head(meta: list[bytes | None]) -> _Head:
    epoch, revision, status = meta
    return _Head((epoch or b"").decode(), int(revision or 0), int(status or 0))


def _named(entry: Entry) -> tuple[str, str]:
    """The resource that an entry of the log names, and the trace of who changed it."""
    fields = dict(pairs(entry[1]))
    return fields[b"k"].decode(), fields.get(b"t", b"").decode()


def _contiguous(numbers: Sequence[int]) -> bool:
    return all(after == before + 1 for before, after in pairwise(numbers))


def _by_number(item: tuple[tuple[str, int], Any]) -> int:
    return item[0][1]
