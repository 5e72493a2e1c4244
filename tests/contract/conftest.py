"""A store per test on real servers: the suite runs once for each Redis we support."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from egress_server.domain.snapshot import Snapshot
from egress_server.store.address import Address
from egress_server.store.connection import Connection
from egress_server.store.keys import MeshKeys, Retention
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from egress_server.store.setup import ensure_epoch
from tests.support.redis import VERSIONS, running, server_of, short_dir

_meshes = count(1)


@pytest.fixture(scope="session", params=VERSIONS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """One server for all tests of this process; each test has a mesh of its own."""
    server = server_of(request.param)
    with short_dir() as folder, running(server, folder) as url:
        yield url


@dataclass
class Bench:
    """A mesh in a real store, and what reaches it."""

    mesh: str
    address: Address
    connection: Connection
    store: RedisStore
    replica: RedisReplica
    opened: list[Connection] = field(default_factory=list)

    @property
    def keys(self) -> MeshKeys:
        """Where the mesh lives, for tests that spoil it."""
        return MeshKeys(self.mesh)

    @property
    def snapshot(self) -> Snapshot:
        """The replica's."""
        return self.replica.snapshot

    async def connect(self) -> Connection:
        """One more connection, closed at the end."""
        connection = Connection(self.address)
        await connection.start()
        self.opened.append(connection)
        return connection


@pytest.fixture
async def bench(redis_url: str) -> AsyncIterator[Bench]:
    """A fresh mesh, with 3 versions of history so that its cap can be seen."""
    mesh = f"m{next(_meshes)}"
    address = Address.parse(redis_url)
    connection, tail = Connection(address), Connection(address)
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
