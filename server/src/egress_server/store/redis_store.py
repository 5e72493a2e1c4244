"""The port Store on Redis: every method is one script or one read."""

import time
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from egress_server.domain.model.changes import Change, Versioned
from egress_server.domain.model.errors import Aborted
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.store import Commit, Committed, Lease, RequestKey, Stale
from egress_server.store import scripts
from egress_server.store.codec import (
    INVENTORY_PREFIX,
    RESYNC_PREFIX,
    Entry,
    change_of,
    content_digest,
    decode_versioned,
    encode,
    from_ms,
    pairs,
    record_digest,
)
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis.connection import RedisConnection

_DAY_SECONDS = 86_400

mesh_keys = lru_cache(maxsize=1024)(MeshKeys)


class RedisStore:
    """See ports.store.Store. It does not close the connection."""

    def __init__(self, connection: RedisConnection, retention: Retention | None = None) -> None:
        self._connection = connection
        self._retention = retention or Retention()

    async def commit(self, commit: Commit) -> Committed:
        """See the port. One round trip, unless it is a replay."""
        keys, kept, request = mesh_keys(commit.mesh), self._retention, commit.request
        name, resource, record = commit.resource.name, encode(commit.resource), encode(commit.record)
        content = content_digest(resource)
        outcome, *facts = await self._connection.run(
            scripts.COMMIT,
            keys.of_commit(name, request),
            commit.epoch,
            commit.revision,
            request.fingerprint,
            name,
            int(commit.deletes),
            resource,
            record,
            record_digest(record, content),
            content,
            kept.request_seconds,
            kept.versions,
            kept.changes_days * _DAY_SECONDS,
            kept.log_entries,
            commit.traceparent,
            len(commit.read),
            *commit.read,
            *commit.touch,
        )
        match outcome:
            case 0:  # the cases of commit.lua
                return _committed(commit, *facts)
            case 1:
                return await self._replay(commit.mesh, facts[0])
            case 2:
                raise _reused(request)
        raise Stale(facts[0])

    async def find_replay(self, mesh: str, request: RequestKey) -> Committed | None:
        """See the port."""
        done: bytes | None = await self._connection.call("GET", mesh_keys(mesh).request(request))
        if done is None:
            return None
        revision, _, fingerprint = done.decode().partition(" ")
        if fingerprint != request.fingerprint:
            raise _reused(request)
        return await self._replay(mesh, int(revision))

    async def change(self, mesh: str, revision: int) -> Committed | None:
        """See the port."""
        at = f"{revision}-0"
        entries = await self._connection.call("XRANGE", mesh_keys(mesh).audit, at, at)
        if not entries:
            return None
        change = change_of(mesh, entries[0])
        versioned = await self.version_at(mesh, change.record.resource, revision)
        if versioned is None:
            versioned = await self.newest(mesh, change.record.resource)
        return Committed(change, versioned) if versioned else None

    async def version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        """See the port."""
        at = f"{revision}-0"
        entries = await self._connection.call("XRANGE", mesh_keys(mesh).history(resource), at, at)
        return decode_versioned(resource, entries[0][1][1]) if entries else None

    async def newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        """See the port."""
        history = mesh_keys(mesh).history(resource)
        entries = await self._connection.call("XREVRANGE", history, "+", "-", "COUNT", 1)
        return decode_versioned(resource, entries[0][1][1]) if entries else None

    async def changes(
        self, mesh: str, *, before: int | None, after: int | None, count: int, newest_first: bool
    ) -> Sequence[Change]:
        """See the port."""
        low = "-" if after is None else f"{after + 1}-0"
        high = "+" if before is None else f"{before - 1}-0"
        if before is not None and before <= (after or 0) + 1:
            return []
        command = ("XREVRANGE", high, low) if newest_first else ("XRANGE", low, high)
        entries: list[Entry] = await self._connection.call(
            command[0], mesh_keys(mesh).audit, *command[1:], "COUNT", count
        )
        return [change_of(mesh, entry) for entry in entries]

    async def digest(self, mesh: str, revision: int) -> str | None:
        """See the port."""
        at = f"{revision}-0"
        entries: list[Entry] = await self._connection.call("XRANGE", mesh_keys(mesh).audit, at, at)
        return dict(pairs(entries[0][1]))[b"d"].decode() if entries else None

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """See the port."""
        keys = mesh_keys(mesh)
        records: list[str | int | bytes] = [
            part for status in statuses for part in (status.cluster, status.fence, encode(status))
        ]
        refused: list[bytes] = await self._connection.run(
            scripts.PUT_STATUS,
            (keys.meta, keys.status, keys.status_log, keys.fences),
            self._retention.status_entries,
            *records,
        )
        return [cluster.decode() for cluster in refused]

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """See the port."""
        await self._replace_inventory(mesh, inventory.cluster, encode(inventory))

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """See the port."""
        await self._replace_inventory(mesh, cluster, b"")

    async def _replace_inventory(self, mesh: str, cluster: str, record: bytes) -> None:
        keys = mesh_keys(mesh)
        await self._connection.run(
            scripts.PUT_INVENTORY,
            (keys.meta, keys.inventories, keys.status_log),
            self._retention.status_entries,
            cluster,
            record,
            f"{INVENTORY_PREFIX}{cluster}",
        )

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """See the port. The store's lease outlasts the returned deadline: it starts when the request arrives."""
        keys = mesh_keys(mesh)
        asked = time.monotonic()
        fence: int | None = await self._connection.run(
            scripts.ACQUIRE, (keys.lease(cluster), keys.fences), owner, int(ttl * 1000), cluster
        )
        return None if fence is None else Lease(cluster, fence, asked + ttl)

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        """See the port."""
        await self._connection.run(scripts.RELEASE, (mesh_keys(mesh).lease(cluster),), owner)

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        """See the port."""
        keys = mesh_keys(mesh)
        arguments = (self._retention.status_entries, f"{RESYNC_PREFIX}{cluster}")
        await self._connection.run(scripts.RESYNC, (keys.meta, keys.status_log), *arguments)

    async def now(self) -> datetime:
        """See the port."""
        seconds, microseconds = await self._connection.call("TIME")
        return from_ms(int(seconds) * 1000 + int(microseconds) // 1000)

    async def _replay(self, mesh: str, revision: int) -> Committed:
        found = await self.change(mesh, revision)
        if found is None:
            # Only if changes are kept for a shorter time than request ids.
            raise Aborted(
                f"this request was committed as revision {revision}, which is no longer kept",
                reason="REQUEST_ID_REUSED",
                metadata={"revision": str(revision)},
            )
        return Committed(found.change, found.versioned, replayed=True)


def _committed(commit: Commit, revision: int, previous: int, accept_ms: int, create_ms: int) -> Committed:
    accepted = from_ms(accept_ms)
    return Committed(
        Change(commit.mesh, revision, previous, accepted, commit.record),
        Versioned(commit.resource, revision, from_ms(create_ms), accepted, commit.deletes),
        traceparent=commit.traceparent,
    )


def _reused(request: RequestKey) -> Aborted:
    return Aborted(
        f"request id {request.request_id!r} was already used for a different request; use a new one",
        reason="REQUEST_ID_REUSED",
        metadata={"request_id": request.request_id},
    )
