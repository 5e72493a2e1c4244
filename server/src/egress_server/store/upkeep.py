"""Periodic work off the path of any call: sealing the audit chain and deleting what is past retention.

Every process does it; the scripts let only one of them win.
"""

import asyncio
from itertools import islice

import structlog

from egress_server.domain.model.errors import Unavailable
from egress_server.store import scripts
from egress_server.store.audit import seal_more, trim
from egress_server.store.codec import pairs
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis.connection import RedisConnection

_log = structlog.get_logger(__name__)

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
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the background work."""
        self._task = asyncio.create_task(self._run(), name="store upkeep")

    async def close(self) -> None:
        """Stops it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

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
        forget_at = 0.0
        while True:
            await asyncio.sleep(_SEAL_SECONDS)
            try:
                await self.seal()
                if asyncio.get_running_loop().time() >= forget_at:
                    forget_at = asyncio.get_running_loop().time() + _FORGET_SECONDS
                    await self.forget()
            except Unavailable as error:
                _log.warning("store_upkeep_waits", error=str(error))
            except Exception:  # noqa: BLE001 # tried again at the next turn
                _log.exception("store_upkeep_failed", mesh=self._keys.mesh)
