"""Opens a store and all that belongs to it, in order, and closes it in the opposite one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from egress_server.store.agent_bus import RedisAgentBus
from egress_server.store.embedded.server import EmbeddedRedis
from egress_server.store.keys import Retention
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import check_server, ensure_epoch
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from egress_server.store.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store at work. `embedded` is None where the Redis is somebody else's."""

    store: RedisStore
    replica: RedisReplica
    connection: RedisConnection
    embedded: EmbeddedRedis | None


@asynccontextmanager
async def open_store(where: Path | str, mesh: str, *, retention: Retention | None = None) -> AsyncIterator[OpenStore]:
    """The store in a folder (an embedded redis-server) or at a URL, with a current copy of `mesh`.

    Raises FailedPrecondition where it is not fit or locked, Unavailable where it can't be reached, InvalidArgument
    for a wrong URL.
    """
    kept = retention or Retention()
    async with AsyncExitStack() as stack:
        embedded = None
        if isinstance(where, Path):
            embedded = EmbeddedRedis(where, mesh)
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
    """How the process of this name reaches the others over the same store. Raises Unavailable."""
    async with AsyncExitStack() as stack:
        inbox = await _connected(stack, storage.connection.address)
        yield RedisAgentBus(storage.connection, inbox, mesh, process)


async def _connected(stack: AsyncExitStack, address: Address) -> RedisConnection:
    connection = RedisConnection(address)
    stack.push_async_callback(connection.close)
    await connection.start()
    return connection
