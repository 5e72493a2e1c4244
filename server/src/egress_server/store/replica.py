"""This process's replica of one mesh: loaded once, then kept current by two streams.

The streams are hints; the store is the source of truth. Log entries name resources, whose current values are then read.
If entries are missing (lost, trimmed, another epoch), everything is reloaded; every few seconds the head is compared,
in case the missing entry was the last one. One blocked read per process, however many callers it serves.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import structlog

from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
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
from egress_server.store.wakeups import Wakeups

_log = structlog.get_logger(__name__)

_BLOCK_MS = 2_000
_CHECK_SECONDS = 5.0
_COALESCE_SECONDS = 0.005
"""Pause after a change, so that a burst of commits is read in one batch."""
_BATCH = 1_000
_ARRIVALS = 256
"""Number of changes whose arrival is kept."""


class _Head(NamedTuple):
    epoch: str
    revision: int
    status: int


class RedisReplica:
    """See ports.store.Replica. It needs a separate connection: it spends its time in blocked reads."""

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
        self._wakeups = Wakeups()
        self._check_at = 0.0
        self._follower = Background()

    async def start(self) -> None:
        """Loads everything and starts to follow. Raises Unavailable."""
        await self._load()
        self._follower.start(Task.STORE_REPLICA, self._follow, expected=(Unavailable,), mesh=self._keys.mesh)

    async def close(self) -> None:
        """Stops following."""
        await self._follower.close()

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
        """See the port. An outcome that is not the replica's next revision is left to the stream."""
        revision = outcome.change.revision
        if revision == self._snapshot.revision + 1 and revision > self._ahead:
            self._snapshot.apply(Update(revision, outcome.versioned))
            self._arrivals.append(Arrival(revision, outcome.change.accept_time, outcome.traceparent))
            self._wakeups.notify(revision)

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """See the port."""
        return self._snapshot.revision >= revision or await self._wakeups.wait(revision, timeout)

    def watch(self) -> AbstractContextManager[AsyncIterator[None]]:
        """See the port."""
        return self._wakeups.watch()

    async def _follow(self) -> None:
        while True:
            quiet = not await self._read(_BLOCK_MS)
            if quiet or asyncio.get_running_loop().time() >= self._check_at:
                await self._check()
            await asyncio.sleep(_COALESCE_SECONDS)

    async def _read(self, block_ms: int | None) -> bool:
        """Applies what the streams have gained since the last read; False if nothing."""
        block = () if block_ms is None else ("BLOCK", block_ms)
        keys = self._keys
        at = (f"{self._snapshot.revision}-0", f"{self._status_number}-0")
        reply: list[tuple[bytes, list[Entry]]] | None = await self._connection.call(
            "XREAD", "COUNT", _BATCH, *block, "STREAMS", keys.log, keys.status_log, *at
        )
        streams = dict(reply or ())
        revision, number = self._snapshot.revision, self._status_number
        complete = await self._apply_log(streams.get(keys.log.encode(), ()))
        complete = complete and await self._apply_status_log(streams.get(keys.status_log.encode(), ()))
        if not complete:
            _log.warning("store_entries_missing", mesh=keys.mesh, revision=self._snapshot.revision)
            await self._load()
        if (revision, number) != (self._snapshot.revision, self._status_number):
            self._wakeups.notify(self._snapshot.revision)
        return bool(streams)

    async def _apply_log(self, entries: Sequence[Entry]) -> bool:
        """Applies the current values of the named resources; False if an entry is missing."""
        own = self._snapshot.revision
        changed = [(n, *_named(entry)) for entry in entries if (n := number_of(entry)) > own]
        if not changed:
            return True
        if not _contiguous([own, *(number for number, _, _ in changed)]):
            return False
        # If a resource is named twice, the later entry counts: the value is the same.
        last = {name: number for number, name, _ in changed}
        times: dict[str, datetime] = {}
        values = await self._connection.call("HMGET", self._keys.resources, *last)
        for (name, number), value in sorted(zip(last.items(), values, strict=True), key=_by_number):
            versioned = decode_versioned(name, value) if value else await self._gone(name)
            if versioned is None:
                return False
            # A value may be newer than its entry, and its own entry is still to come. Until then `committed` must not
            # put back the state of a revision in between.
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

    async def _apply_status_log(self, entries: Sequence[Entry]) -> bool:
        """Applies the records in the entries; False if an entry is missing."""
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
        """Reads the current inventories that the entries name."""
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
        """Compares heads: detects lost entries at the end of a stream, and a store that was replaced by another one."""
        self._check_at = asyncio.get_running_loop().time() + _CHECK_SECONDS
        snapshot, revision, number = self._snapshot, self._snapshot.revision, self._status_number
        head = _head(await self._connection.call("HMGET", self._keys.meta, *_Head._fields))
        if not head.epoch:
            _log.error("store_lost", mesh=self._keys.mesh, revision=revision)
            return
        if head.epoch != snapshot.epoch or head.revision < revision or head.status < number:
            _log.error("store_rewound", mesh=self._keys.mesh, revision=revision, head=head.revision)
            await self._load()
            self._wakeups.notify(self._snapshot.revision)
            return
        while self._snapshot.revision < head.revision or self._status_number < head.status:
            if not await self._read(None):
                _log.warning("store_entries_missing", mesh=self._keys.mesh, head=head.revision)
                await self._load()
                self._wakeups.notify(self._snapshot.revision)

    async def _load(self) -> None:
        """Loads everything as of one moment."""
        keys, known = self._keys, self._snapshot
        revision = known.revision
        meta, resources, statuses, inventories = await self._connection.read_together(
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
            return  # `committed` has moved the snapshot past what was read
        versions = [decode_versioned(name.decode(), value) for name, value in pairs(resources)]
        self._snapshot = Snapshot(keys.mesh, head.epoch, head.revision, versions, inventories=self._inventories)
        self._ahead = head.revision
        self._arrivals.clear()


def _head(meta: list[bytes | None]) -> _Head:
    epoch, revision, status = meta
    return _Head((epoch or b"").decode(), int(revision or 0), int(status or 0))


def _named(entry: Entry) -> tuple[str, str]:
    """The resource that a log entry names, and the trace of the call that changed it."""
    fields = dict(pairs(entry[1]))
    return fields[b"k"].decode(), fields.get(b"t", b"").decode()


def _contiguous(numbers: Sequence[int]) -> bool:
    return all(after == before + 1 for before, after in pairwise(numbers))


def _by_number(item: tuple[tuple[str, int], Any]) -> int:
    return item[0][1]
