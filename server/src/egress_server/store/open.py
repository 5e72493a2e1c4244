"""Opens a store with everything that belongs to it, and closes it in the opposite order."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from egress_server.store.agent_bus import RedisAgentBus
from egress_server.store.embedded.binaries import installed_servers
from egress_server.store.embedded.server import EmbeddedServer
from egress_server.store.keys import Retention
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import check_server, ensure_epoch
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from egress_server.store.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A running store. `embedded` is None if the server is external."""

    store: RedisStore
    replica: RedisReplica
    connection: RedisConnection
    embedded: EmbeddedServer | None


@asynccontextmanager
async def open_store(
    where: Path | str,
    mesh: str,
    *,
    retention: Retention | None = None,
    servers: Callable[[], Iterable[Path]] = installed_servers,
) -> AsyncIterator[OpenStore]:
    """The store in a folder (an embedded server, one of `servers`) or at a URL, with a current replica of `mesh`.

    Raises FailedPrecondition if it is locked or not fit for use, Unavailable if it can't be reached, InvalidArgument
    for a malformed URL.
    """
    kept = retention or Retention()
    async with AsyncExitStack() as stack:
        embedded = None
        if isinstance(where, Path):
            embedded = EmbeddedServer(where, mesh, servers)
            stack.push_async_callback(embedded.stop)
            address = await embedded.start()
        else:
            address = Address.parse(where)
        connection = await _connected(stack, address)
        await check_server(connection)
        await ensure_epoch(connection, mesh)
        replica = RedisReplica(await _connected(stack, address), mesh)
        stack.push_async_callback(replica.close)
        await replica.start()
        upkeep = Upkeep(await _connected(stack, address), mesh, kept)
        stack.push_async_callback(upkeep.close)
        upkeep.start()
        yield OpenStore(RedisStore(connection, kept), replica, connection, embedded)


@asynccontextmanager
async def open_agent_bus(storage: OpenStore, mesh: str, process: str) -> AsyncIterator[RedisAgentBus]:
    """The bus that connects the process of this name with the others on the same store. Raises Unavailable."""
    async with AsyncExitStack() as stack:
        inbox = await _connected(stack, storage.connection.address)
        yield RedisAgentBus(storage.connection, inbox, mesh, process)


async def _connected(stack: AsyncExitStack, address: Address) -> RedisConnection:
    connection = RedisConnection(address)
    stack.push_async_callback(connection.close)
    await connection.start()
    return connection
