"""The three servers that are measured, each in its own process, on the same disk."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.paths import ROOT

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True)
class Running:
    """A running server."""

    address: str
    process: psutil.Process
    http: str = ""

    def cpu_seconds(self) -> float:
        """CPU time of the server process itself, without its redis-server."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def egressd(data_dir: Path) -> Iterator[Running]:
    """The product with default settings, an embedded store, and no registered cluster."""
    command = [str(Path(sys.executable).with_name("egressd")), "run", "--data-dir", str(data_dir)]
    with _running([*command, "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"], data_dir) as server:
        yield server


@contextmanager
def baselines(folder: Path, reply_bytes: int) -> Iterator[dict[str, Running]]:
    """B0 and B1, with responses of the same size as the product's."""
    base = [sys.executable, "-m", "tests.bench.baseline", str(reply_bytes)]
    with ExitStack() as stack:
        yield {
            "B0": stack.enter_context(_running(base, folder / "b0")),
            "B1": stack.enter_context(_running([*base, str(folder / "b1")], folder / "b1")),
        }


@contextmanager
def _running(command: Sequence[str], data_dir: Path) -> Iterator[Running]:
    """Raises RuntimeError with the server's log if it does not start."""
    said = data_dir.with_suffix(".log")
    with said.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        address, *http = _addresses(process, said)
        yield Running(address, psutil.Process(process.pid), *http)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _addresses(process: subprocess.Popen[bytes], said: Path) -> list[str]:
    """The addresses that the server prints: that of gRPC, and of HTTP if it has one."""
    give_up = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if (text := said.read_text()).endswith("\n") and (found := _ADDRESS.findall(text)):
            return found
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start:\n{said.read_text()}")
