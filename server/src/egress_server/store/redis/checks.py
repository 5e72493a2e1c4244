"""What a Redis must be before we trust it with desired state, and how a fresh one becomes ours."""

import re
from uuid import uuid4

import structlog

from egress_server.domain.model.errors import EgressError, FailedPrecondition
from egress_server.store.keys import MeshKeys
from egress_server.store.redis.connection import RedisConnection, StoreFault

_log = structlog.get_logger(__name__)

OLDEST_VERSION = (6, 2)
"""The first with XTRIM MINID and exclusive ranges."""
REQUIRED = {
    # Any other policy drops keys of ours when memory is short.
    "maxmemory-policy": "noeviction",
    # What is acknowledged is on the disk: durability LOCAL.
    "appendonly": "yes",
    "appendfsync": "always",
}

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """The numbers of a version such as 7.0.15."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def unfit(message: str, **metadata: str) -> EgressError:
    """What is raised where a store can't be used as it is."""
    return FailedPrecondition(message, reason="STORE_INCOMPATIBLE", metadata=metadata)


async def server_version(connection: RedisConnection) -> Version:
    """The version of the server behind `connection`."""
    info: bytes = await connection.call("INFO", "server")
    found = re.search(rb"redis_version:(\S+)", info)
    return parse_version(found.group(1).decode()) if found else (0,)


async def check_server(connection: RedisConnection) -> None:
    """Raises FailedPrecondition STORE_INCOMPATIBLE, saying what to set, where the server is not safe to use."""
    version = await server_version(connection)
    if version < OLDEST_VERSION:
        raise unfit(
            f"the store runs Redis {_shown(version)}; {_shown(OLDEST_VERSION)} or newer is needed",
            version=_shown(version),
        )
    try:
        settings = {name: await _setting(connection, name) for name in REQUIRED}
    except (StoreFault, EgressError) as error:
        # Hosted services often forbid CONFIG.
        _log.warning("store_settings_unknown", error=str(error), required=REQUIRED)
        return
    wrong = {name: value for name, value in settings.items() if value != REQUIRED[name]}
    if wrong:
        how = "; ".join(f"CONFIG SET {name} {REQUIRED[name]} (it is {wrong[name]!r})" for name in wrong)
        raise unfit(f"the store would lose acknowledged changes as it is configured: {how}", **wrong)


async def find_epoch(connection: RedisConnection, mesh: str) -> str | None:
    """The epoch of the mesh in this store; None where the mesh is not there."""
    epoch: bytes | None = await connection.call("HGET", MeshKeys(mesh).meta, "epoch")
    return epoch.decode() if epoch else None


async def ensure_epoch(connection: RedisConnection, mesh: str) -> str:
    """The epoch of the mesh in this store; a fresh one where the mesh is not there."""
    await connection.call("HSETNX", MeshKeys(mesh).meta, "epoch", uuid4().hex)
    epoch = await find_epoch(connection, mesh)
    assert epoch is not None
    return epoch


async def _setting(connection: RedisConnection, name: str) -> str:
    reply: list[bytes] = await connection.call("CONFIG", "GET", name)
    return reply[1].decode()


def _shown(version: Version) -> str:
    return ".".join(map(str, version))
