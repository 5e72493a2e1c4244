"""A whole egressd as its own process, as a user runs it: started, stopped, killed, and restarted."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

READY_SECONDS = 60.0
PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come; never an expected duration."""


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Egressd:
    """One egressd over `home`, which exists; addresses and data directory stay the same at each start."""

    def __init__(self, home: Path, *, clusters: Sequence[str] = (), resolve: Sequence[str] = ()) -> None:
        self.data_dir = home / "data"
        self.log = home / "log"
        self.grpc = f"unix:{home}/grpc"
        self.http = f"127.0.0.1:{free_port()}"
        self.argv = [sys.executable, "-m", "egress_server", "run", "--data-dir", str(self.data_dir)]
        self.argv += ["--grpc-address", self.grpc, "--http-address", self.http]
        for cluster in clusters:
            self.argv += ["--local-cluster", cluster]
        for resolve_ in resolve:
            self.argv += ["--resolve", resolve_]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of REST."""
        return f"http://{self.http}"

    @property
    def pid(self) -> int:
        """The process id of egressd."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> "subprocess.Popen[bytes]":
        """Starts the process and does not wait for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=log)
        return self._process

    def start(self) -> None:
        """Returns once it reports to be ready; fails with its log if it never does."""
        process = self.launch()
        late = threading.Timer(READY_SECONDS, process.kill)
        late.start()
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
        finally:
            late.cancel()
        if b"ready" not in line:
            self.kill()
            raise AssertionError(self.log.read_text(errors="replace")[-4000:])

    def stop(self) -> int:
        """Shuts it down gracefully; the exit code. Harmless if it is not running."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it with SIGKILL."""
        return self._end(signal.SIGKILL)

    def children(self, name: str) -> list[psutil.Process]:
        """Its child processes whose program is called `name`."""
        return [child for child in psutil.Process(self.pid).children(recursive=True) if _program(child) == name]

    def leftovers(self) -> list[str]:
        """Every process on this machine except egressd that uses the data directory: by its arguments or working
        directory."""
        return [
            found for found in (_mention(process, str(self.data_dir)) for process in psutil.process_iter()) if found
        ]

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return process.wait(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
            if process.stdout:
                process.stdout.close()
            self._process = None


@contextlib.contextmanager
def running(home: Path, *, clusters: Sequence[str] = (), resolve: Sequence[str] = ()) -> Iterator[Egressd]:
    """A running egressd, stopped at the end."""
    egressd = Egressd(home, clusters=clusters, resolve=resolve)
    try:
        egressd.start()
        yield egressd
    finally:
        egressd.stop()


def run_cli(module: str, *words: str, server: str = "", stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs `egressctl` (module `egress.cli`) or `egressd` (`egress_server.cli`) as a user does."""
    command = [sys.executable, "-c", f"from {module} import main; main()", *words]
    environment = {**os.environ, "EGRESS_SERVER": server, "EGRESS_CONFIG": os.devnull, "COLUMNS": "200"}
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=120
    )


def _program(process: psutil.Process) -> str:
    """The name it was started by: Debian's redis-server is a link to another name."""
    try:
        return process.name()
    except psutil.Error:
        return ""


def _mention(process: psutil.Process, folder: str) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        words = process.cmdline()
        if "egress_server" in words or process.pid == os.getpid():
            return ""
        if folder in " ".join(words) or process.cwd().startswith(folder):
            return f"{process.pid}: {' '.join(words)[:200]}"
    except (psutil.Error, OSError):
        pass
    return ""
