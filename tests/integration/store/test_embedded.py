"""The embedded store: private, supervised, and never silently empty."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec
import psutil
import pytest

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.store.audit import verify
from egress_server.store.embedded.data_dir import DataDir
from egress_server.store.open import OpenStore, open_store
from tests.support.mutations import entry, insist, mutation, setting
from tests.support.waiting import until

MESH = "default"
Servers = Callable[[], list[Path]]


async def test_a_restart_keeps_everything(folder: Path, servers: Servers) -> None:
    """Committed data is there after a restart, and a request that is repeated then is recognized."""
    async with open_store(folder, MESH, servers=servers) as opened:
        commit = mutation(opened.replica.snapshot, entry(opened.replica.snapshot, "bank"))
        first = await opened.store.commit(commit)
        epoch = opened.replica.snapshot.epoch
    async with open_store(folder, MESH, servers=servers) as opened:
        snapshot = opened.replica.snapshot
        assert (snapshot.epoch, snapshot.revision) == (epoch, 1)
        assert snapshot.get(commit.resource.name) == first.versioned
        again = await opened.store.commit(commit)
        assert (again.change, again.versioned, again.replayed) == (first.change, first.versioned, True)


async def test_it_is_private(folder: Path, servers: Servers) -> None:
    """The server listens on no TCP port, and other users can't open its folder."""
    async with open_store(folder, MESH, servers=servers) as opened:
        assert opened.embedded is not None
        assert opened.embedded.pid is not None
        assert not psutil.Process(opened.embedded.pid).net_connections(kind="inet")
        for path in (folder, folder / "redis"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "redis" / "redis.sock").stat().st_mode) == 0o700


def file_modes(folder: Path) -> dict[str, str]:
    """The permissions of every file below a folder, by name."""
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*") if path.is_file()}


async def test_its_files_are_private_in_an_open_folder(folder: Path, servers: Servers) -> None:
    """Other users can read no file, even if the folder was made with a mode that lets them in."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    await asyncio.to_thread(folder.chmod, 0o777)
    async with open_store(folder, MESH, servers=servers) as opened:
        await opened.store.commit(mutation(opened.replica.snapshot, entry(opened.replica.snapshot, "bank")))
        modes = file_modes(folder)
        assert modes.keys() >= {"store.json", "lock", "redis.log"}
        assert modes == dict.fromkeys(modes, "0o600")


async def test_kill_9_loses_nothing_acknowledged(folder: Path, servers: Servers) -> None:
    """The server is killed again and again during writes: each write is there exactly once, none is missing."""
    numbers = count()
    answered: dict[str, int] = {}
    async with open_store(folder, MESH, servers=servers) as opened:
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
    """Kills the server during writes, again as soon as writes succeed."""
    assert opened.embedded is not None
    for _ in range(times):
        before = opened.replica.snapshot.revision
        assert await opened.replica.wait_revision(before + 20, 15)
        assert opened.embedded.pid is not None
        os.kill(opened.embedded.pid, signal.SIGKILL)


async def test_two_cannot_share_a_folder(folder: Path, servers: Servers) -> None:
    """A second egressd is refused with an error that names the owner of the folder; the first keeps running."""
    async with open_store(folder, MESH, servers=servers) as opened:
        with pytest.raises(FailedPrecondition, match=f"process {os.getpid()}") as refused:
            async with open_store(folder, MESH, servers=servers):
                pass
        assert refused.value.reason == "STORE_LOCKED"
        await insist(opened.store, opened.replica, setting("bank"))


async def test_lost_data_is_refused(folder: Path, servers: Servers) -> None:
    """A folder whose Redis files are gone is not mistaken for a new store."""
    async with open_store(folder, MESH, servers=servers):
        pass
    for path in sorted((folder / "redis").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(FailedPrecondition, match="is empty"):
        async with open_store(folder, MESH, servers=servers):
            pass


async def test_exchanged_data_is_refused(folder: Path, servers: Servers) -> None:
    """A folder with another store than store.json names is refused."""
    async with open_store(folder, MESH, servers=servers):
        pass
    known = msgspec.json.decode((folder / "store.json").read_bytes())
    (folder / "store.json").write_bytes(msgspec.json.encode(known | {"epoch": "another"}))
    with pytest.raises(FailedPrecondition, match="holds another store"):
        async with open_store(folder, MESH, servers=servers):
            pass


async def test_a_missing_store_json_is_made_again(folder: Path, servers: Servers) -> None:
    """A start that was interrupted before store.json was written is resumed by the next start."""
    async with open_store(folder, MESH, servers=servers) as opened:
        epoch = opened.replica.snapshot.epoch
    (folder / "store.json").unlink()
    async with open_store(folder, MESH, servers=servers) as opened:
        assert opened.replica.snapshot.epoch == epoch
    assert msgspec.json.decode((folder / "store.json").read_bytes())["epoch"] == epoch


@pytest.mark.parametrize("product", ["Redis", "Valkey"])
async def test_data_of_a_newer_server_is_refused(folder: Path, servers: Servers, product: str) -> None:
    """Data that no installed server can read is left alone, and the error names what wrote it and what was found."""
    async with open_store(folder, MESH, servers=servers) as opened:
        await insist(opened.store, opened.replica, setting("bank"))
    known = msgspec.json.decode((folder / "store.json").read_bytes())
    newer = known | {"product": product, "version": "99.0.1"}
    (folder / "store.json").write_bytes(msgspec.json.encode(newer))
    before = {path: path.read_bytes() for path in (folder / "redis").rglob("*") if path.is_file()}
    with pytest.raises(FailedPrecondition) as refused:
        async with open_store(folder, MESH, servers=servers):
            pass
    assert refused.value.reason == "STORE_INCOMPATIBLE"
    for words in (f"{product} 99.0 or newer", str(servers()[0])):
        assert words in refused.value.message
    assert before == {path: path.read_bytes() for path in (folder / "redis").rglob("*") if path.is_file()}


async def test_a_patch_release_back_is_fine(folder: Path, servers: Servers) -> None:
    """File formats never change within a series, so an older patch release opens the data."""
    async with open_store(folder, MESH, servers=servers):
        pass
    known = msgspec.json.decode((folder / "store.json").read_bytes())
    series = known["version"].rpartition(".")[0]
    (folder / "store.json").write_bytes(msgspec.json.encode(known | {"version": f"{series}.999"}))
    async with open_store(folder, MESH, servers=servers):
        pass


async def test_a_deep_folder_works(folder: Path, servers: Servers) -> None:
    """A path too long for a unix socket does not matter."""
    deep = folder.joinpath(*["a-rather-long-name-for-a-folder"] * 5)
    async with open_store(deep, MESH, servers=servers) as opened:
        outcome = await insist(opened.store, opened.replica, setting("bank"))
    assert outcome.change.revision == 1


async def test_an_orphan_is_ended_first(folder: Path, servers: Servers) -> None:
    """A server that outlived its egressd is stopped before another opens the same files."""
    async with open_store(folder, MESH, servers=servers) as opened:
        await insist(opened.store, opened.replica, setting("bank"))
    options = ["--port", "0", "--save", "", "--appendonly", "yes", "--dir", str(folder / "redis")]
    orphan = await asyncio.create_subprocess_exec(
        *(str(servers()[0]), *options, "--unixsocket", str(folder / "redis" / "redis.sock")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await until((folder / "redis" / "redis.sock").exists)
        async with open_store(folder, MESH, servers=servers) as opened:
            await asyncio.wait_for(orphan.wait(), 15)
            assert opened.replica.snapshot.revision == 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            orphan.kill()
        await orphan.wait()


async def test_nothing_is_left_when_we_are_killed(folder: Path, servers: Servers) -> None:
    """After kill -9 of the process no server is left, and the next one opens the store immediately."""
    program = (
        "import asyncio, sys, pathlib\n"
        "from egress_server.store.open import open_store\n"
        "async def main():\n"
        "    folder, server = map(pathlib.Path, sys.argv[1:])\n"
        "    async with open_store(folder, 'default', servers=lambda: [server]) as opened:\n"
        "        print(opened.embedded.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(folder), str(servers()[0])), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    server = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    async with open_store(folder, MESH, servers=servers):
        pass
    assert not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE


def test_the_lock_goes_with_its_process(folder: Path) -> None:
    """A lock file left by a dead process does not lock."""
    one = DataDir(folder)
    one.lock()
    one.unlock()
    two = DataDir(folder)
    two.lock()
    two.unlock()
