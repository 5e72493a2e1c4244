"""A store per test on real servers: the suite runs once for each Redis we support."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import ensure_epoch
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from tests.support.redis import SERVERS, running, server_binary, short_dir

_meshes = count(1)


@pytest.fixture(scope="session", params=SERVERS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """One server for all tests of this process; each test has a mesh of its own."""
    server = server_binary(request.param)
    with short_dir() as folder, running(server, folder) as url:
        yield url


@dataclass
class Bench:
    """A mesh in a real store, and what reaches it."""

    mesh: str
    address: Address
    connection: RedisConnection
    store: RedisStore
    replica: RedisReplica
    opened: list[RedisConnection] = field(default_factory=list)

    @property
    def keys(self) -> MeshKeys:
        """Where the mesh lives, for tests that spoil it."""
        return MeshKeys(self.mesh)

    @property
    def snapshot(self) -> Snapshot:
        """The replica's."""
        return self.replica.snapshot

    async def connect(self) -> RedisConnection:
        """One more connection, closed at the end."""
        connection = RedisConnection(self.address)
        await connection.start()
        self.opened.append(connection)
        return connection


@pytest.fixture
async def bench(redis_url: str) -> AsyncIterator[Bench]:
    """A fresh mesh, with 3 versions of history so that its cap can be seen."""
    mesh = f"m{next(_meshes)}"
    address = Address.parse(redis_url)
    connection, tail = RedisConnection(address), RedisConnection(address)
    await connection.start()
    await tail.start()
    await ensure_epoch(connection, mesh)
    replica = RedisReplica(tail, mesh)
    await replica.start()
    bench = Bench(mesh, address, connection, RedisStore(connection, Retention(versions=3)), replica)
    yield bench
    await replica.close()
    for one in (*bench.opened, connection, tail):
        await one.close()
