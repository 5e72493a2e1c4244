"""Child processes that live exactly as long as this one: redis-server and Envoy.

Three things hold whatever happens. A child that dies is restarted. No child outlives its parent, not even if that is
killed with SIGKILL. And Ctrl-C in the terminal reaches only the parent, which can drain before the children stop.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.aio.waiting import scoped
from egress_server.durable import OWNER_ONLY

_log = structlog.get_logger(__name__)

_TAIL_BYTES = 4096
_TAIL_LINES = 12

# Run by a bare interpreter that then becomes the child: PR_SET_PDEATHSIG (1) survives execv. Not in a preexec_fn,
# because that forks the locks of our threads (gRPC has many). The kernel sends the signal when the *thread* that forked
# ends, so the event loop must run in the main thread. If the parent died before prctl, getppid differs by now. Python
# ignores SIGPIPE, which execv would pass on. The umask: what children write (data, logs) is for this user only,
# whatever the folder's mode.
_GUARD = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.umask(0o077)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot run {sys.argv[2]}: {error.strerror}")
"""


class ChildFailed(Exception):
    """A child process exited before it was ready, or was not ready in time; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """What to run. `env` is the child's whole environment (None: inherited)."""

    name: str
    argv: Sequence[str]
    log: Path
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


class ChildProcess:
    """One child process, kept running between `start` and `stop`.

    `ready` is awaited after every launch and returns once the child serves; it may poll forever, since the child's
    exit or `ready_timeout` (seconds) ends it. `grace` is how many seconds the child has between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        command: ChildCommand,
        *,
        ready: Callable[[], Awaitable[None]],
        ready_timeout: float = 15.0,
        grace: float = 5.0,
    ) -> None:
        self._command = command
        self._ready = ready
        self._ready_timeout = ready_timeout
        self._grace = grace
        self._log = _log.bind(child=command.name)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper = Background()

    @property
    def pid(self) -> int | None:
        """The process id of the running child; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Launches the child and returns when it is ready.

        Raises ChildFailed if it exits or is not ready in time; the first launch is not retried, since what fails then
        is a mistake that its caller must see.
        """
        await self._launch()
        self._keeper.start(Task.CHILD_PROCESS, self._keep, child=self._command.name)

    async def stop(self) -> None:
        """Ends the child: SIGTERM, then SIGKILL after the grace period. Harmless if it is not running."""
        await self._keeper.close()
        if self._process is not None:
            await self._end(self._process, self._grace)
            self._log.info("child_stopped", status=self._process.returncode)
            self._process = None

    async def _keep(self) -> None:
        """Follows one child to its exit, which is a failure: the supervisor then calls this again."""
        if self.pid is None:
            await self._launch()
            self._log.info("child_restarted", pid=self.pid)
        assert self._process is not None
        status = await self._process.wait()
        raise self._failed(f"exited with status {status}", 0)

    async def _launch(self) -> None:
        log_start = _size(self._command.log)
        process = self._process = await self._spawn()
        try:
            async with scoped(_awaited(self._ready())) as (ready,), scoped(process.wait()) as (exited,):
                await asyncio.wait((ready, exited), timeout=self._ready_timeout, return_when=asyncio.FIRST_COMPLETED)
                if exited.done():
                    raise self._failed(f"exited with status {exited.result()}", log_start)
                if not ready.done():
                    raise self._failed(f"not ready after {self._ready_timeout:g} s", log_start)
                if (error := ready.exception()) is not None:
                    raise self._failed(f"not ready: {error}", log_start) from error
        except BaseException:
            await self._end(process, 0.0)
            raise

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = self._command
        guarded = (sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *command.argv)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            log = os.open(command.log, flags, OWNER_ONLY)
        except OSError as error:  # a child without a log is better than none
            self._log.error("child_log_unavailable", path=str(command.log), error=str(error))
            log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            return await asyncio.create_subprocess_exec(
                *guarded,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=command.cwd,
                env=command.env,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _end(self, process: asyncio.subprocess.Process, grace: float) -> None:
        if process.returncode is not None:
            return
        if grace > 0:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace)
                return
        # The whole group, because redis-server forks to save.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def _failed(self, what: str, log_start: int) -> ChildFailed:
        name, log = self._command.name, self._command.log
        return ChildFailed(f"{name} {what}; the end of {log}:\n{_tail(log, log_start)}")


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int) -> str:
    """The last lines of `path` after offset `start`: an earlier run wrote what is before it."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, _size(path) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"(unreadable: {error.strerror})"
    return "\n".join(lines[-_TAIL_LINES:]) or "(empty)"
