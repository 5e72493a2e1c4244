"""Requirements for an external server: its release is checked before its settings."""

from typing import cast

import pytest

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.store.redis.checks import REQUIRED, check_server
from egress_server.store.redis.connection import RedisConnection


class Server:
    """Answers INFO and CONFIG GET like a server of some release, with the required settings."""

    def __init__(self, info: bytes) -> None:
        self._info = info

    async def call(self, *args: str) -> object:
        """The reply."""
        if args == ("INFO", "server"):
            return self._info
        command, _, name = args
        assert command == "CONFIG"
        return [name.encode(), REQUIRED[name].encode()]


async def check(info: bytes) -> None:
    """Checks such a server."""
    await check_server(cast(RedisConnection, Server(info)))


@pytest.mark.parametrize(
    "info",
    [
        b"redis_version:7.0.0\r\n",
        b"redis_version:8.2.1\r\n",
        b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5\r\n",
        b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n",
    ],
)
async def test_supported_releases(info: bytes) -> None:
    """Redis from 7.0, Valkey from 7.2."""
    await check(info)


@pytest.mark.parametrize(("info", "shown"), [(b"redis_version:6.2.14\r\n", "Redis 6.2.14"), (b"", "Redis 0")])
async def test_older_releases_are_refused(info: bytes, shown: str) -> None:
    """So is a server that does not report what it is."""
    with pytest.raises(FailedPrecondition, match=f"the store runs {shown}; Redis 7.0 or Valkey 7.2") as refused:
        await check(info)
    assert refused.value.reason == "STORE_INCOMPATIBLE"
