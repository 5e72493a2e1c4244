"""Child processes that live exactly as long as we do: redis-server and Envoy.

Why it exists: both run as our children, and three things must hold whatever happens. A child that
dies comes back. No child outlives us, not even when we are killed with SIGKILL. And Ctrl-C in the
terminal reaches only us, so that we can drain before the children stop.
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

_log = structlog.get_logger(__name__)

_BACKOFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits before successive restarts; the last one repeats. A child that lived longer starts over."""
_TAIL_BYTES = 4096
_TAIL_LINES = 12

# Run by a bare interpreter that then becomes the child: PR_SET_PDEATHSIG (1) survives execv. Not
# done in a preexec_fn, because that forks our threads' locks (gRPC has many). The kernel sends the
# signal when the *thread* that forked ends: the event loop must run in the main thread. If we died
# before prctl, the parent is another one already. Python ignores SIGPIPE, which execv would hand
# on.
_GUARD = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot run {sys.argv[2]}: {error.strerror}")
"""


class ChildFailed(Exception):
    """A child process ended or stayed silent before it was ready; the text carries the end of its
    log."""


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """What to run. `env` is the whole environment of the child; None hands on ours."""

    name: str
    argv: Sequence[str]
    log: Path
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


class Supervised:
    """One child process, kept running between `start` and `stop`.

    `ready` is awaited after every launch and returns once the child serves; it may poll for ever,
    since the child's end or `ready_timeout` (seconds) cuts it off. `on_restart` is awaited after
    each launch but the first.
    """

    def __init__(
        self,
        command: ChildCommand,
        *,
        ready: Callable[[], Awaitable[None]],
        on_restart: Callable[[], Awaitable[None]] | None = None,
        ready_timeout: float = 15.0,
        grace: float = 5.0,
    ) -> None:
        self._command = command
        self._ready = ready
        self._on_restart = on_restart
        self._ready_timeout = ready_timeout
        self._grace = grace
        self._log = _log.bind(child=command.name)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the running child, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Launch the child and return when it is ready.

        Raises:
            ChildFailed: it ended, or was not ready in time. No restart is tried: what fails at the
                very first start is a mistake that someone must see.
        """
        await self._launch()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._command.name}")

    async def stop(self) -> None:
        """End the child: SIGTERM, then SIGKILL after the grace. Harmless when it is not running."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._process is not None:
            await self._end(self._process, self._grace)
            self._log.info("child_stopped", status=self._process.returncode)
            self._process = None

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while self._process is not None:
            since = loop.time()
            status = await self._process.wait()
            self._log.warning("child_exited", status=status)
            if loop.time() - since > _BACKOFF_SECONDS[-1]:
                failures = 0
            failures = await self._relaunch(failures)

    async def _relaunch(self, failures: int) -> int:
        """Try until a launch succeeds; return the count of tries, which sets the next wait."""
        while True:
            delay = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(delay)
            try:
                await self._launch()
                if self._on_restart is not None:
                    await self._on_restart()
            except ChildFailed as error:
                self._log.error("child_restart_failed", tries=failures, error=str(error))
                continue
            except Exception:  # noqa: BLE001
                # The child itself runs; a hook that failed must not end the supervision.
                self._log.exception("child_restart_hook_failed")
            self._log.info("child_restarted", pid=self.pid, tries=failures)
            return failures

    async def _launch(self) -> None:
        log_start = _size(self._command.log)
        process = self._process = await self._spawn()
        ready = asyncio.ensure_future(self._ready())
        exited = asyncio.ensure_future(process.wait())
        try:
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
        finally:
            for task in (ready, exited):
                task.cancel()
            await asyncio.gather(ready, exited, return_exceptions=True)

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = self._command
        guarded = (sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *command.argv)
        with command.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *guarded,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=command.cwd,
                env=command.env,
                start_new_session=True,
            )

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


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int) -> str:
    """The last lines of `path`, none of them before offset `start` (an earlier run wrote those)."""
    with path.open("rb") as file:
        file.seek(max(start, _size(path) - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:]) or "(empty)"
