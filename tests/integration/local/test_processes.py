"""Supervision of child processes, with shells as the children."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from egress_server.processes import ChildCommand, ChildFailed, Supervised
from tests.integration.local.world import SECONDS, until

READY = "echo ready; exec sleep 1000"


def child(
    folder: Path,
    script: str,
    *,
    on_restart: Callable[[], Awaitable[None]] | None = None,
    ready_timeout: float = SECONDS,
    grace: float = SECONDS,
) -> Supervised:
    """A shell that is ready once it wrote so."""
    log = folder / "child.log"

    async def ready() -> None:
        await until(lambda: log.exists() and "ready" in log.read_text())

    return Supervised(
        ChildCommand(name="child", argv=("/bin/sh", "-c", script), log=log),
        ready=ready,
        on_restart=on_restart,
        ready_timeout=ready_timeout,
        grace=grace,
    )


def ended(pid: int) -> bool:
    """Whether a process is gone; where nobody reaps orphans a zombie counts."""
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


async def test_restart(tmp_path: Path) -> None:
    """A child that dies is started again and the hook is called, each time."""
    restarted = asyncio.Queue[None]()

    async def on_restart() -> None:
        restarted.put_nowait(None)
        raise RuntimeError("a failing hook does not end the supervision")

    supervised = child(tmp_path, READY, on_restart=on_restart)
    await supervised.start()
    try:
        pids = [supervised.pid]
        for _ in range(3):
            assert pids[-1] is not None
            os.kill(pids[-1], signal.SIGKILL)
            await asyncio.wait_for(restarted.get(), SECONDS)
            pids.append(supervised.pid)
        assert len(set(pids)) == 4
    finally:
        await supervised.stop()


async def test_failed_restarts_go_on(tmp_path: Path) -> None:
    """A child that fails at its restarts is tried until it succeeds."""
    restarted = asyncio.Event()

    async def on_restart() -> None:
        restarted.set()

    broken = tmp_path / "broken"
    supervised = child(tmp_path, f'test -e "{broken}" && exit 1; {READY}', on_restart=on_restart)
    await supervised.start()
    try:
        assert supervised.pid is not None
        broken.touch()
        (tmp_path / "child.log").write_text("")  # a launch is ready by its own word only
        os.kill(supervised.pid, signal.SIGKILL)
        await until(lambda: supervised.pid is None)
        broken.unlink()
        await asyncio.wait_for(restarted.wait(), SECONDS)
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

    supervised = Supervised(ChildCommand(name="child", argv=argv, log=log), ready=ready)
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
from egress_server.processes import ChildCommand, Supervised

async def ready():
    pass

async def main():
    child = Supervised(
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
