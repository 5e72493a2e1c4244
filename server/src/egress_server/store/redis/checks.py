"""What a server must offer before it is trusted with desired state, and how an empty one becomes a mesh's store."""

from uuid import uuid4

import structlog

from egress_server.domain.model.errors import EgressError, FailedPrecondition
from egress_server.store.keys import MeshKeys
from egress_server.store.redis.connection import RedisConnection, StoreFault
from egress_server.store.redis.release import SUPPORTED, Release

_log = structlog.get_logger(__name__)

REQUIRED = {
    # Any other policy evicts keys when memory is short.
    "maxmemory-policy": "noeviction",
    # What is acknowledged is on disk: durability LOCAL.
    "appendonly": "yes",
    "appendfsync": "always",
}


def incompatible(message: str, **metadata: str) -> FailedPrecondition:
    """The error for a store that can't be used as it is."""
    return FailedPrecondition(message, reason="STORE_INCOMPATIBLE", metadata=metadata)


async def server_release(connection: RedisConnection) -> Release:
    """The release of the server behind `connection`."""
    return Release.of_info(await connection.call("INFO", "server"))


async def check_server(connection: RedisConnection) -> None:
    """Raises FailedPrecondition STORE_INCOMPATIBLE, with what to set, if the server is not safe to use."""
    release = await server_release(connection)
    if not release.is_supported:
        raise incompatible(f"the store runs {release}; {SUPPORTED}, is required", version=str(release))
    try:
        settings = {name: await _setting(connection, name) for name in REQUIRED}
    except (StoreFault, EgressError) as error:
        # Hosted services often forbid CONFIG.
        _log.warning("store_settings_unknown", error=str(error), required=REQUIRED)
        return
    wrong = {name: value for name, value in settings.items() if value != REQUIRED[name]}
    if wrong:
        fixes = "; ".join(f"CONFIG SET {name} {REQUIRED[name]} (it is {wrong[name]!r})" for name in wrong)
        raise incompatible(f"with its current settings the store could lose acknowledged changes: {fixes}", **wrong)


async def find_epoch(connection: RedisConnection, mesh: str) -> str | None:
    """The epoch of the mesh in this store; None if the store has no such mesh."""
    epoch: bytes | None = await connection.call("HGET", MeshKeys(mesh).meta, "epoch")
    return epoch.decode() if epoch else None


async def ensure_epoch(connection: RedisConnection, mesh: str) -> str:
    """The epoch of the mesh in this store, newly made if the store has no such mesh."""
    await connection.call("HSETNX", MeshKeys(mesh).meta, "epoch", uuid4().hex)
    epoch = await find_epoch(connection, mesh)
    assert epoch is not None
    return epoch


async def _setting(connection: RedisConnection, name: str) -> str:
    reply: list[bytes] = await connection.call("CONFIG", "GET", name)
    return reply[1].decode()
