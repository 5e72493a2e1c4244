"""Which server an embedded store runs on: fit for use, and able to read the data that is there."""

from pathlib import Path

import pytest

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.store.embedded.binaries import ServerBinary, choose_server, installed_servers, wheel_servers
from egress_server.store.redis.release import REDIS, VALKEY, Release


def release(text: str) -> Release:
    """From "Redis 7.0.15"."""
    return Release.of(*text.split())


def binary(folder: Path, text: str, name: str = "") -> Path:
    """A program that prints the version of a server of that release."""
    path = folder / (name or text.replace(" ", "-"))
    product, version = text.split()
    path.write_text(f"#!/bin/sh\necho '{product} server v={version} sha=00000000:0 malloc=libc bits=64'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("written", "by", "reads"),
    [
        # Within a product a newer series reads an older one, but not the other way round.
        ("Redis 6.2.5", "Redis 7.0.15", True),
        ("Redis 7.0.15", "Redis 7.0.1", True),
        ("Redis 7.2.0", "Redis 7.0.15", False),
        ("Redis 7.4.1", "Redis 8.2.0", True),
        ("Valkey 8.1.8", "Valkey 9.1.2", True),
        ("Valkey 9.1.2", "Valkey 8.1.8", False),
        # Across the fork, only what both products had: up to 7.2.
        ("Redis 6.2.5", "Valkey 9.1.2", True),
        ("Redis 7.2.4", "Valkey 7.2.0", True),
        ("Redis 7.4.0", "Valkey 9.1.2", False),
        ("Redis 8.0.2", "Valkey 9.1.2", False),
        ("Valkey 7.2.5", "Redis 7.2.0", True),
        ("Valkey 7.2.5", "Redis 7.0.15", False),
        ("Valkey 8.1.8", "Redis 8.2.0", False),
    ],
)
def test_reads(written: str, by: str, reads: bool) -> None:
    """Versions are compared within a product; across the fork only up to what both had before it."""
    assert release(by).reads(release(written)) is reads


@pytest.mark.parametrize(
    ("text", "supported"),
    [("Redis 6.2.14", False), ("Redis 7.0.0", True), ("Redis 8.2.1", True), ("Valkey 7.2.0", True)],
)
def test_supported(text: str, supported: bool) -> None:
    """Redis 7.0, Valkey 7.2 and what came after them."""
    assert release(text).is_supported is supported


def test_info_names_the_product() -> None:
    """Valkey reports a redis_version as well, which is not its own version."""
    assert Release.of_info(b"redis_version:7.0.15\r\nos:Linux\r\n") == Release(REDIS, (7, 0, 15))
    valkey = b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n"
    assert Release.of_info(valkey) == Release(VALKEY, (9, 1, 2))


async def test_the_first_fit_server_is_chosen(tmp_path: Path) -> None:
    """The order counts; programs that are too old, are something else or do not run are skipped."""
    broken, other = tmp_path / "broken", tmp_path / "other"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    old, redis, valkey = (binary(tmp_path, text) for text in ("Redis 6.2.5", "Redis 7.0.15", "Valkey 9.1.2"))
    servers = [tmp_path / "missing", broken, other, old, redis, valkey]
    assert await choose_server(servers) == ServerBinary(redis, release("Redis 7.0.15"))
    assert (await choose_server(reversed(servers))).path == valkey


async def test_the_data_decides(tmp_path: Path) -> None:
    """A server that can't read the data is skipped in favor of one that can, wherever it is in the order."""
    valkey, redis = binary(tmp_path, "Valkey 9.1.2"), binary(tmp_path, "Redis 8.2.1")
    assert (await choose_server([valkey, redis], release("Redis 7.0.15"))).path == valkey
    assert (await choose_server([valkey, redis], release("Redis 8.0.0"))).path == redis
    assert (await choose_server([redis, valkey], release("Valkey 8.1.0"))).path == valkey


async def test_no_fit_server(tmp_path: Path) -> None:
    """The error names the writer of the data, what it needs, and every server that was found."""
    valkey, redis = binary(tmp_path, "Valkey 9.1.2"), binary(tmp_path, "Redis 7.0.15")
    with pytest.raises(FailedPrecondition) as refused:
        await choose_server([valkey, redis], release("Redis 8.0.2"))
    assert refused.value.reason == "STORE_INCOMPATIBLE"
    assert refused.value.message == (
        "the data was written by Redis 8.0.2, which needs Redis 8.0 or newer, "
        f"but found only Valkey 9.1.2 ({valkey}), Redis 7.0.15 ({redis})"
    )
    old = binary(tmp_path, "Redis 6.2.5")
    with pytest.raises(FailedPrecondition, match=r"Redis 7\.0 or Valkey 7\.2, or newer, is required") as refused:
        await choose_server([old])
    assert refused.value.reason == "STORE_INCOMPATIBLE"


async def test_no_server_at_all() -> None:
    """On a machine without any server, the error explains how to install one."""
    with pytest.raises(FailedPrecondition, match="apt install redis-server") as missing:
        await choose_server([])
    assert missing.value.reason == "REDIS_SERVER_MISSING"


def test_the_wheel_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then PATH: Valkey before Redis."""
    expected = [
        *wheel_servers(),
        *(binary(tmp_path, "Redis 7.0.15", name) for name in ("valkey-server", "redis-server")),
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(installed_servers()) == expected
