"""One run: its folder, its processes and its network namespaces, with names unique to the run."""

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.mesh.harness.run import reaper
from tests.support import waiting

PATIENCE_SECONDS = 60.0
"""How long a start may take before it counts as failed; never how long it takes."""
_POLL_SECONDS = 0.03
_LOG_TAIL = 3000
_HANDED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH")
"""Not a proxy of this machine, not a kubeconfig of its user."""

T = TypeVar("T")
Word = str | Path


class NotReady(Exception):
    """A part of the mesh did not start; the message has the end of its log."""


def eventually(attempt: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Tries until the result is true. Any exception counts as false; raises NotReady in the end."""
    try:
        return waiting.eventually(attempt, what, seconds=seconds, poll=_POLL_SECONDS, ignoring=Exception)
    except waiting.TimedOut as error:
        raise NotReady(str(error)) from error


class Child:
    """A process of a run, with its log in a file."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def kill(self) -> None:
        """Kill it. Harmless if it has ended."""
        self.process.kill()
        self.process.wait()

    def wait_until(self, attempt: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it serves. Raises NotReady with its log."""

        def alive_and_ready() -> bool:
            return self.process.poll() is not None or bool(attempt())

        try:
            eventually(alive_and_ready, f"{self.name} ready", seconds)
        except NotReady as error:
            raise NotReady(f"{error}\n{self.tail()}") from None
        if (code := self.process.poll()) is not None:
            raise NotReady(f"{self.name} ended with {code}\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:]


class Run:
    """Everything it starts is removed when it is closed, or when this process ends."""

    def __init__(self) -> None:
        command = [sys.executable, reaper.__file__]
        self._reaper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self.folder = Path(tempfile.mkdtemp(prefix="egress-mesh-"))
        self._note("folder", str(self.folder))
        self.folder.chmod(0o711)  # Envoy runs as another user and must get through

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it all."""
        self.close()

    def close(self) -> None:
        """Remove all that was started, and wait for it."""
        assert self._reaper.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._reaper.stdin.close()
        self._reaper.wait()

    def make_folder(self, *parts: str) -> Path:
        """A folder of the run that other users may enter."""
        folder = self.folder.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        return folder

    def spawn(self, name: str, argv: Sequence[Word], folder: Path, env: Mapping[str, str] | None = None) -> Child:
        """Start a process that logs to `folder`. Ctrl-C reaches only us."""
        log = folder / f"{name}.log"
        handed_on = {key: os.environ[key] for key in _HANDED_ON if key in os.environ}
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(word) for word in argv],
                cwd=folder,
                env={**handed_on, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._note("process", f"{process.pid} {reaper.started(process.pid)}")
        return Child(name, process, log)

    def namespace(self) -> str:
        """Make a network namespace with its loopback up; its name is unique on this machine."""
        with self._lock:
            name = f"eg-{os.getpid()}-{next(self._numbers)}"
        self._note("namespace", name)
        command("ip", "netns", "add", name)
        command("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def _note(self, kind: str, what: str) -> None:
        assert self._reaper.stdin is not None
        with self._lock:
            self._reaper.stdin.write(f"{kind} {what}\n".encode())
            self._reaper.stdin.flush()


def command(*words: Word, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; returns its output.

    Raises:
        NotReady: it failed; the message has its output.
    """
    done = subprocess.run(
        [str(word) for word in words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=dict(env) if env is not None else None,
    )
    if done.returncode:
        raise NotReady(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout
