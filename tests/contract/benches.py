"""A mesh in some store with its replicas: the contract suite is written against this."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.names import ResourceKind
from egress_server.ports.store import Replica, Store
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import ensure_epoch
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from tests.support.doubles.memory_store import MemoryReplica, MemoryStore

RETENTION = Retention(versions=3)
"""Few enough versions to reach the limit on a resource's history."""


class StoreBench(Protocol):
    """One mesh. `store` and `replica` belong to one process."""

    mesh: str
    patience: float
    """Seconds within which a replica must have what was written."""

    @property
    def store(self) -> Store:
        """The store under test."""

    @property
    def replica(self) -> Replica:
        """The same process's replica."""

    @property
    def snapshot(self) -> Snapshot:
        """The replica's."""

    async def another_store(self) -> Store:
        """The store as another process uses it."""

    async def another_replica(self) -> Replica:
        """The replica of another process that starts now and makes no commits."""

    async def advance(self, seconds: float) -> None:
        """Time passes for leases and request ids."""


@dataclass
class Bench:
    """A mesh on a real server. Tests of the data in Redis use `connection` and `keys`."""

    mesh: str
    address: Address
    connection: RedisConnection
    store: RedisStore
    replica: RedisReplica
    patience: float = 15.0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def keys(self) -> MeshKeys:
        """The server of the mesh, for tests that break it."""
        return MeshKeys(self.mesh)

    @property
    def snapshot(self) -> Snapshot:
        """The replica's."""
        return self.replica.snapshot

    async def connect(self, kind: type[RedisConnection] = RedisConnection) -> RedisConnection:
        """One more connection, closed at the end."""
        connection = kind(self.address)
        await connection.start()
        self._stack.push_async_callback(connection.close)
        return connection

    async def another_store(self) -> RedisStore:
        """See StoreBench."""
        return RedisStore(await self.connect(), RETENTION)

    async def another_replica(self) -> RedisReplica:
        """See StoreBench."""
        replica = RedisReplica(await self.connect(), self.mesh)
        await replica.start()
        self._stack.push_async_callback(replica.close)
        return replica

    async def advance(self, seconds: float) -> None:
        """See StoreBench. Expires every key that is due before then."""
        for key in await self.connection.call("KEYS", f"egress:{{{self.mesh}}}:*"):
            left_ms = await self.connection.call("PTTL", key)
            if left_ms >= 0:
                await self.connection.call("PEXPIRE", key, left_ms - int(seconds * 1000))

    async def close(self) -> None:
        """Closes everything that was opened."""
        await self._stack.aclose()


class MemoryBench:
    """A mesh in the in-memory store, with its own clock."""

    def __init__(self, mesh: str = "m", make: Callable[..., MemoryStore] = MemoryStore) -> None:
        self.mesh = mesh
        self.patience = 0.1
        self._passed = 0.0
        self.store = make(
            epochs={mesh: f"epoch-of-{mesh}"}, clock=self._clock, monotonic=self._monotonic, retention=RETENTION
        )
        self.replica = MemoryReplica(self.store, mesh)

    @property
    def snapshot(self) -> Snapshot:
        """The replica's."""
        return self.replica.snapshot

    async def another_store(self) -> MemoryStore:
        """See StoreBench. Every process has the same one."""
        return self.store

    async def another_replica(self) -> MemoryReplica:
        """See StoreBench."""
        return MemoryReplica(self.store, self.mesh)

    async def advance(self, seconds: float) -> None:
        """See StoreBench."""
        self._passed += seconds

    def _clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._passed)

    def _monotonic(self) -> float:
        return time.monotonic() + self._passed


@asynccontextmanager
async def redis_bench(url: str, mesh: str) -> AsyncIterator[Bench]:
    """A fresh mesh on a server."""
    address = Address.parse(url)
    connection, tail = RedisConnection(address), RedisConnection(address)
    await connection.start()
    await tail.start()
    await ensure_epoch(connection, mesh)
    replica = RedisReplica(tail, mesh)
    await replica.start()
    bench = Bench(mesh, address, connection, RedisStore(connection, RETENTION), replica)
    try:
        yield bench
    finally:
        await bench.close()
        await replica.close()
        await connection.close()
        await tail.close()


def content(snapshot: Snapshot) -> dict[str, object]:
    """Everything in a snapshot, with its epoch and revision."""
    return {
        "at": (snapshot.epoch, snapshot.revision),
        **{name: v for kind in ResourceKind for name, v in snapshot.of_kind(kind).items()},
    }
