"""An external Redis: used as it is, if it is safe."""

from pathlib import Path

import pytest

from egress_server.domain.model.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.store.audit import verify
from egress_server.store.open import open_store
from egress_server.store.redis.address import Address
from tests.support.mutations import deleting, insist, setting
from tests.support.redis import SERVERS, running, server_binary, short_dir


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Path:
    """Each server that is supported."""
    return server_binary(request.param)


async def test_a_fit_server_is_used(server: Path) -> None:
    """A store opens at a URL, also with a password and another database number."""
    with short_dir() as folder, running(server, folder, "--requirepass", "secret") as url:
        with_login = url.replace("unix://", "unix://:secret@") + "?db=3"
        async with open_store(with_login, "default") as opened:
            assert (await insist(opened.store, opened.replica, setting("bank"))).change.revision == 1
            assert opened.embedded is None


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--maxmemory-policy", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
        ("--appendonly", "no", "CONFIG SET appendonly yes"),
        ("--appendfsync", "everysec", "CONFIG SET appendfsync always"),
    ],
)
async def test_an_unsafe_server_is_refused(server: Path, option: str, value: str, hint: str) -> None:
    """A server that would lose acknowledged changes is refused, and the error names the settings to change."""
    with short_dir() as folder, running(server, folder, option, value) as url:
        with pytest.raises(FailedPrecondition, match=hint) as refused:
            async with open_store(url, "default"):
                pass
        assert refused.value.reason == "STORE_INCOMPATIBLE"


async def test_a_wrong_password_is_said(server: Path) -> None:
    """A refused login is Unavailable with Redis' message, without the password."""
    with short_dir() as folder, running(server, folder, "--requirepass", "secret") as url:
        with pytest.raises(Unavailable) as refused:
            async with open_store(url.replace("unix://", "unix://:wrong-word@"), "default"):
                pass
        assert "wrong-word" not in refused.value.message


async def test_a_full_memory_refuses_writes_whole(server: Path) -> None:
    """Without memory a commit is refused as STORE_FULL and nothing of it is written; reads still work."""
    with short_dir() as folder, running(server, folder) as url:
        async with open_store(url, "default") as opened:
            await insist(opened.store, opened.replica, setting("bank"))
            await opened.connection.call("CONFIG", "SET", "maxmemory", 1)
            with pytest.raises(ResourceExhausted) as refused:
                await insist(opened.store, opened.replica, setting("other"))
            assert refused.value.reason == "STORE_FULL"
            assert await opened.store.change("default", 1) is not None
            await opened.connection.call("CONFIG", "SET", "maxmemory", 0)
            assert (await insist(opened.store, opened.replica, setting("other"))).change.revision == 2


async def test_a_full_memory_lets_faults_end(server: Path) -> None:
    """Without memory, deletes, leases and statuses go on: an applier keeps its cluster, and faults expire."""
    with short_dir() as folder, running(server, folder) as url:
        async with open_store(url, "default") as opened:
            await insist(opened.store, opened.replica, setting("bank"))
            held = await opened.store.acquire("default", "east", "applier", 10)
            await opened.connection.call("CONFIG", "SET", "maxmemory", 1)
            deleted = await insist(opened.store, opened.replica, deleting("bank"))
            assert deleted.change.revision == 2
            assert opened.replica.snapshot.get(deleted.change.record.resource) is None
            renewed = await opened.store.acquire("default", "east", "applier", 10)
            taken = await opened.store.acquire("default", "west", "applier", 10)
            assert held is not None
            assert renewed is not None
            assert taken is not None
            assert renewed.fence == held.fence
            status = ClusterStatus("east", phase=Phase.SETTLED, fence=held.fence)
            assert await opened.store.put_status("default", [status]) == []
            await opened.connection.call("CONFIG", "SET", "maxmemory", 0)
            assert [problem async for problem in verify(opened.connection, "default")] == []


@pytest.mark.parametrize("url", ["http://x", "redis://:secret@h:port", "nonsense", "redis://h?nosuch=1"])
def test_a_wrong_url_is_said(url: str) -> None:
    """A URL that can't be parsed is InvalidArgument and is not repeated, since it may contain a password."""
    with pytest.raises(InvalidArgument) as refused:
        Address.parse(url)
    assert "secret" not in refused.value.message
