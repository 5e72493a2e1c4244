"""Supervision of child processes, with shells as the children."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from egress_server.processes import ChildCommand, ChildFailed, ChildProcess
from tests.integration.local.world import SECONDS
from tests.support.waiting import until

READY = "echo ready; exec sleep 1000"


def child(
    folder: Path,
    script: str,
    *,
    ready_timeout: float = SECONDS,
    grace: float = SECONDS,
) -> ChildProcess:
    """A shell that is ready once it wrote so."""
    log = folder / "child.log"

    async def ready() -> None:
        await until(lambda: log.exists() and "ready" in log.read_text())

    return ChildProcess(
        ChildCommand(name="child", argv=("/bin/sh", "-c", script), log=log),
        ready=ready,
        ready_timeout=ready_timeout,
        grace=grace,
    )


def ended(pid: int) -> bool:
    """Whether a process is gone. A zombie counts: not every machine reaps orphans."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_start_and_stop(tmp_path: Path) -> None:
    """The child runs in a session of its own from start to stop, and not after."""
    supervised = child(tmp_path, READY)
    await supervised.start()
    pid = supervised.pid
    assert pid is not None
    assert os.getsid(pid) == pid
    await supervised.stop()
    assert supervised.pid is None
    assert not psutil.pid_exists(pid)
    await supervised.stop()


async def restarted(supervised: ChildProcess, former: int) -> int:
    """The process id of the child that has replaced the former one."""
    await until(lambda: supervised.pid not in (None, former))
    assert supervised.pid is not None
    return supervised.pid


async def test_restart(tmp_path: Path) -> None:
    """A child that dies is started again, each time."""
    supervised = child(tmp_path, READY)
    await supervised.start()
    try:
        pid = supervised.pid
        for _ in range(3):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            pid = await restarted(supervised, pid)
    finally:
        await supervised.stop()


async def test_failed_restarts_go_on(tmp_path: Path) -> None:
    """A child that fails to restart is tried until it succeeds."""
    broken = tmp_path / "broken"
    supervised = child(tmp_path, f'test -e "{broken}" && exit 1; {READY}')
    await supervised.start()
    try:
        pid = supervised.pid
        assert pid is not None
        broken.touch()
        (tmp_path / "child.log").write_text("")  # what the former child wrote does not count
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervised.pid is None)
        broken.unlink()
        await restarted(supervised, pid)
        await until(lambda: "ready" in (tmp_path / "child.log").read_text())
    finally:
        await supervised.stop()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("/bin/sh", "-c", "echo out of luck; exit 3"), "exited with status 3[^$]*out of luck"),
        (("/no/such/program",), "cannot run /no/such/program: No such file"),
    ],
)
async def test_failed_start(tmp_path: Path, argv: tuple[str, ...], why: str) -> None:
    """A child that ends before it is ready fails the start with its last words, not those of an earlier run."""
    log = tmp_path / "child.log"
    log.write_text("an earlier run\n")
    never = asyncio.Event()

    async def ready() -> None:
        await never.wait()

    supervised = ChildProcess(ChildCommand(name="child", argv=argv, log=log), ready=ready)
    with pytest.raises(ChildFailed, match=why) as caught:
        await supervised.start()
    assert "an earlier run" not in str(caught.value)
    assert supervised.pid is None


async def test_silent_child_is_ended(tmp_path: Path) -> None:
    """A child that does not become ready in time is killed and reported."""
    supervised = child(tmp_path, "exec sleep 1000", ready_timeout=0.05)
    with pytest.raises(ChildFailed, match=r"not ready after 0\.05 s"):
        await supervised.start()
    assert supervised.pid is None


async def test_stubborn_child_is_killed_after_the_grace(tmp_path: Path) -> None:
    """A child that ignores SIGTERM gets SIGKILL, and so do its own children."""
    supervised = child(tmp_path, "trap '' TERM; sleep 1000 & echo ready $!; wait; wait", grace=0.05)
    await supervised.start()
    grandchild = int((tmp_path / "child.log").read_text().split()[1])
    await supervised.stop()
    await until(lambda: ended(grandchild))


PARENT = """
import asyncio, pathlib, sys
from egress_server.processes import ChildCommand, ChildProcess

async def ready():
    pass

async def main():
    child = ChildProcess(
        ChildCommand(name="child", argv=("sleep", "1000"), log=pathlib.Path(sys.argv[1])), ready=ready
    )
    await child.start()
    while pathlib.Path(f"/proc/{child.pid}/comm").read_text() != "sleep\\n":
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await asyncio.sleep(1000)

RUN
"""


@pytest.mark.parametrize("run", ["asyncio.run(main())", "import uvloop; uvloop.run(main())"])
async def test_no_orphan_when_the_parent_is_killed(tmp_path: Path, run: str) -> None:
    """SIGKILL to the parent takes the child along, on either event loop."""
    script = PARENT.replace("RUN", run)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path / "child.log"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    orphan = psutil.Process(int(await asyncio.wait_for(parent.stdout.readline(), SECONDS)))
    parent.kill()
    await parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [orphan], SECONDS)
    assert alive == []
