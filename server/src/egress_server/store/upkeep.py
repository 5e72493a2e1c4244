"""Periodic work off the path of any call: sealing the audit chain and deleting what is past retention.

Every process does it; the scripts let only one of them win.
"""

import asyncio
from itertools import islice

from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.errors import Unavailable
from egress_server.store import scripts
from egress_server.store.audit import seal_more, trim
from egress_server.store.codec import pairs
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis.connection import RedisConnection

_SEAL_SECONDS = 10.0
_FORGET_SECONDS = 600.0
_DAY_MS = 86_400_000
_SCAN = 500


class Upkeep:
    """Seals and deletes in the background, between `start` and `close`."""

    def __init__(self, connection: RedisConnection, mesh: str, retention: Retention) -> None:
        self._connection = connection
        self._keys = MeshKeys(mesh)
        self._retention = retention
        self._task = Background()
        self._forget_at = 0.0

    def start(self) -> None:
        """Starts the background work."""
        self._task.start(Task.STORE_UPKEEP, self._run, expected=(Unavailable,), mesh=self._keys.mesh)

    async def close(self) -> None:
        """Stops it."""
        await self._task.close()

    async def seal(self) -> None:
        """Chains all unsealed audit records."""
        while await seal_more(self._connection, self._keys):
            pass

    async def forget(self) -> None:
        """Deletes sealed changes past retention, and buckets that have not changed for long."""
        seconds, _ = await self._connection.call("TIME")
        before_ms = int(seconds) * 1000 - self._retention.changes_days * _DAY_MS
        while await trim(self._connection, self._keys, before_ms=before_ms):
            pass
        if await self._connection.call("HLEN", self._keys.last) > self._retention.buckets:
            await self._forget_buckets()

    async def _forget_buckets(self) -> None:
        keys = self._keys
        head = int(await self._connection.call("HGET", keys.meta, "revision") or 0)
        floor = head - self._retention.bucket_revisions
        cursor = b"0"
        while floor > 0:
            cursor, flat = await self._connection.call("HSCAN", keys.last, cursor, "COUNT", _SCAN)
            old = iter([bucket for bucket, at in pairs(flat) if int(at) <= floor])
            while batch := tuple(islice(old, _SCAN)):
                await self._connection.run(scripts.FORGET, (keys.meta, keys.last), floor, *batch)
            if cursor == b"0":
                break

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SEAL_SECONDS)
            await self.seal()
            if loop.time() >= self._forget_at:
                self._forget_at = loop.time() + _FORGET_SECONDS
                await self.forget()
