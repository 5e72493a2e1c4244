"""Another program breaks the stream of statuses for a while: the failure is visible, and afterwards everything works as
before."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from egress_server.store.keys import MeshKeys
from tests.integration.processes.conftest import register, upsert
from tests.support.daemon import Process, running_applier, running_daemon
from tests.support.egressd import run_cli
from tests.support.redis import SERVERS, running, server_binary
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("processes")

KEY = MeshKeys("default").status_log
BROKEN_SECONDS = 3.0
BACK_SECONDS = 10.0


def command(folder: Path, *words: str) -> bytes:
    """The reply of the Redis in a folder to one command; the reply fits into one packet."""
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "redis.sock"))
        client.sendall(b"*%d\r\n%s" % (len(words), parts))
        reply = client.recv(4096)
    assert not reply.startswith(b"-"), reply
    return reply


@contextmanager
def broken_stream(redis_home: Path) -> Iterator[None]:
    """Within the block, the stream is a string."""
    command(redis_home, "RENAME", KEY, "aside")
    command(redis_home, "SET", KEY, "not a stream")
    yield
    command(redis_home, "DEL", KEY)
    command(redis_home, "RENAME", "aside", KEY)


def failures(process: Process, task: str) -> float:
    """How often a task of a process has failed."""
    for line in httpx.get(f"http://{process.http}/metrics").text.splitlines():
        if line.startswith(f'egress_task_failures_total{{task="{task}"}}'):
            return float(line.split()[-1])
    return 0.0


def not_ready(process: Process) -> set[str]:
    """What a process reports as missing for readiness."""
    return set(httpx.get(f"http://{process.http}/readyz", timeout=20).json().get("notReady", {}))


def logged_failures(process: Process) -> set[str]:
    """The tasks that have a failure with traceback in the log."""
    events = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
    return {each["task"] for each in events if each["event"] == "task_failed" and each["exception"][0]["frames"]}


@pytest.mark.parametrize(
    ("command", "version"), [("run", SERVERS[0]), ("serve", SERVERS[-1])], ids=["run", "serve and apply"]
)
def test_waiting_for_a_change_works_again(tmp_path: Path, redis_home: Path, command: str, version: str) -> None:
    """`--wait applied` works within 10 s; log, metric and readiness have shown the cause."""
    (tmp_path / "server").mkdir()
    (tmp_path / "applier").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(running(server_binary(version), redis_home))
        clusters = ("--redis-url", url, "--directory-root", str(tmp_path / "repo"))
        words = clusters if command == "run" else clusters[:2]
        server = stack.enter_context(running_daemon(tmp_path / "server", *words, command=command))
        applier: Process = server
        if command == "serve":
            applier = stack.enter_context(running_applier(tmp_path / "applier", *clusters))
        register(server)
        change = ("outbound", "set", "REGISTRY_ONLY", "--wait", "applied", "--timeout", f"{BACK_SECONDS:g}s")
        done = run_cli("egress.cli", *change, server=server.grpc)
        assert done.returncode == 0, done.stdout + done.stderr

        with broken_stream(redis_home):
            began = time.monotonic()
            upsert(server)
            eventually(lambda: "status-writer" in not_ready(applier))
            eventually(lambda: "store-replica" in not_ready(server))
            time.sleep(max(0.0, began + BROKEN_SECONDS - time.monotonic()))

        began = time.monotonic()
        done = run_cli("egress.cli", *change, "--reason", "again", server=server.grpc)
        assert done.returncode == 0, done.stdout + done.stderr
        assert time.monotonic() - began < BACK_SECONDS
        assert failures(applier, "status-writer") >= 1
        assert failures(server, "store-replica") >= 1
        assert logged_failures(applier) == {"status-writer", "store-replica"}
        eventually(lambda: not not_ready(applier))
        eventually(lambda: not not_ready(server))
