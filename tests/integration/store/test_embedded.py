"""The embedded store: private, supervised, and never silently empty."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from itertools import count
from pathlib import Path

import msgspec
import psutil
import pytest

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.store.audit import verify
from egress_server.store.embedded.data_dir import DataDir
from egress_server.store.opening import OpenStore, open_store
from tests.support.mutations import entry, insist, mutation, setting

MESH = "default"


async def test_a_restart_keeps_everything(folder: Path, redis_on_path: str) -> None:
    """What was committed is there after a restart, and a request sent again then is still the same one."""
    async with open_store(folder, MESH) as opened:
        commit = mutation(opened.replica.snapshot, entry(opened.replica.snapshot, "bank"))
        first = await opened.store.commit(commit)
        epoch = opened.replica.snapshot.epoch
    async with open_store(folder, MESH) as opened:
        snapshot = opened.replica.snapshot
        assert (snapshot.epoch, snapshot.revision) == (epoch, 1)
        assert snapshot.get(commit.resource.name) == first.versioned
        again = await opened.store.commit(commit)
        assert (again.change, again.versioned, again.replayed) == (first.change, first.versioned, True)


async def test_it_is_private(folder: Path, redis_on_path: str) -> None:
    """redis-server listens on no TCP port, and its folder is closed to other users."""
    async with open_store(folder, MESH) as opened:
        assert opened.embedded is not None
        assert opened.embedded.pid is not None
        assert not psutil.Process(opened.embedded.pid).net_connections(kind="inet")
        for path in (folder, folder / "redis"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "redis" / "redis.sock").stat().st_mode) == 0o700


async def test_kill_9_loses_nothing_acknowledged(folder: Path, redis_on_path: str) -> None:
    """redis-server is killed again and again in a run of writes: each write is there exactly once, none is missing."""
    numbers = count()
    answered: dict[str, int] = {}
    async with open_store(folder, MESH) as opened:
        killer = asyncio.create_task(_kill(opened, times=5))

        async def write() -> None:
            while not killer.done():
                outcome = await insist(opened.store, opened.replica, setting(f"e{next(numbers)}"))
                answered[outcome.change.record.request_id] = outcome.change.revision
                await asyncio.sleep(0.01)

        await asyncio.gather(killer, *(write() for _ in range(8)))
        assert await opened.replica.wait_revision(len(answered), 15)
        changes = await opened.store.changes(MESH, before=None, after=None, count=100_000, newest_first=False)
        assert [change.revision for change in changes] == list(range(1, len(answered) + 1))
        assert {change.record.request_id: change.revision for change in changes} == answered
        assert [problem async for problem in verify(opened.connection, MESH)] == []


async def _kill(opened: OpenStore, times: int) -> None:
    """Kills redis-server in the middle of writes, again once writes go through."""
    assert opened.embedded is not None
    for _ in range(times):
        before = opened.replica.snapshot.revision
        assert await opened.replica.wait_revision(before + 20, 15)
        assert opened.embedded.pid is not None
        os.kill(opened.embedded.pid, signal.SIGKILL)


async def test_two_cannot_share_a_folder(folder: Path, redis_on_path: str) -> None:
    """A second egressd is refused, is told who has the folder, and leaves the first alone."""
    async with open_store(folder, MESH) as opened:
        with pytest.raises(FailedPrecondition, match=f"process {os.getpid()}") as refused:
            async with open_store(folder, MESH):
                pass
        assert refused.value.reason == "STORE_LOCKED"
        await insist(opened.store, opened.replica, setting("bank"))


async def test_lost_data_is_refused(folder: Path, redis_on_path: str) -> None:
    """A folder whose Redis files are gone is not taken for a new store."""
    async with open_store(folder, MESH):
        pass
    for path in sorted((folder / "redis").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(FailedPrecondition, match="came up empty"):
        async with open_store(folder, MESH):
            pass


async def test_exchanged_data_is_refused(folder: Path, redis_on_path: str) -> None:
    """A folder that holds another store than store.json says is refused."""
    async with open_store(folder, MESH):
        pass
    known = msgspec.json.decode((folder / "store.json").read_bytes())
    (folder / "store.json").write_bytes(msgspec.json.encode(known | {"epoch": "another"}))
    with pytest.raises(FailedPrecondition, match="holds another store"):
        async with open_store(folder, MESH):
            pass


async def test_a_missing_store_json_is_made_again(folder: Path, redis_on_path: str) -> None:
    """A start that was cut off before store.json was written goes on at the next start."""
    async with open_store(folder, MESH) as opened:
        epoch = opened.replica.snapshot.epoch
    (folder / "store.json").unlink()
    async with open_store(folder, MESH) as opened:
        assert opened.replica.snapshot.epoch == epoch
    assert msgspec.json.decode((folder / "store.json").read_bytes())["epoch"] == epoch


async def test_an_older_redis_is_refused(folder: Path, redis_on_path: str) -> None:
    """Data of a newer Redis is not opened by an older one, which would start empty; a patch release back is fine."""
    async with open_store(folder, MESH):
        pass
    known = msgspec.json.decode((folder / "store.json").read_bytes())
    series = known["redis_version"].rpartition(".")[0]
    (folder / "store.json").write_bytes(msgspec.json.encode(known | {"redis_version": f"{series}.999"}))
    async with open_store(folder, MESH):
        pass
    (folder / "store.json").write_bytes(msgspec.json.encode(known | {"redis_version": "99.0.1"}))
    with pytest.raises(FailedPrecondition, match=r"99\.0\.1 or newer"):
        async with open_store(folder, MESH):
            pass


async def test_a_deep_folder_works(folder: Path, redis_on_path: str) -> None:
    """A path too long for a unix socket does not matter."""
    deep = folder.joinpath(*["a-rather-long-name-for-a-folder"] * 5)
    async with open_store(deep, MESH) as opened:
        outcome = await insist(opened.store, opened.replica, setting("bank"))
    assert outcome.change.revision == 1


async def test_an_orphan_is_ended_first(folder: Path, redis_on_path: str) -> None:
    """A redis-server that outlived its egressd is ended before another opens the same files."""
    async with open_store(folder, MESH) as opened:
        await insist(opened.store, opened.replica, setting("bank"))
    options = ["--port", "0", "--save", "", "--appendonly", "yes", "--dir", str(folder / "redis")]
    orphan = await asyncio.create_subprocess_exec(
        *(redis_on_path, *options, "--unixsocket", str(folder / "redis" / "redis.sock")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(15):
            while not (folder / "redis" / "redis.sock").exists():  # noqa: ASYNC110 # another program's
                await asyncio.sleep(0.02)
        async with open_store(folder, MESH) as opened:
            await asyncio.wait_for(orphan.wait(), 15)
            assert opened.replica.snapshot.revision == 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            orphan.kill()
        await orphan.wait()


async def test_nothing_is_left_when_we_are_killed(folder: Path, redis_on_path: str) -> None:
    """After kill -9 of the process no redis-server stays, and the next one opens the store at once."""
    program = (
        "import asyncio, sys, pathlib\n"
        "from egress_server.store.opening import open_store\n"
        "async def main():\n"
        "    async with open_store(pathlib.Path(sys.argv[1]), 'default') as opened:\n"
        "        print(opened.embedded.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    redis = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    async with open_store(folder, MESH):
        pass
    assert not psutil.pid_exists(redis) or psutil.Process(redis).status() == psutil.STATUS_ZOMBIE


def test_without_any_redis_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A machine with no redis-server, by PATH or package, is told how to get one."""
    from egress_server.store.embedded import server

    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(server, "_CARRIERS", ())
    with pytest.raises(FailedPrecondition, match="apt install redis-server") as missing:
        server.find_redis_server()
    assert missing.value.reason == "REDIS_SERVER_MISSING"


def test_the_lock_goes_with_its_process(folder: Path) -> None:
    """A lock file that a dead process left does not lock."""
    one = DataDir(folder)
    one.lock()
    one.unlock()
    two = DataDir(folder)
    two.lock()
    two.unlock()
