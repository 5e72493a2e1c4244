"""A whole egressd with one local cluster, an Envoy and an external service, for the SDK and egressctl."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from egress import EgressClient

# A name that can't be resolved: only --resolve has its address.
HOST = "www.shop.example"
_READY_SECONDS = 60


class _Shop(BaseHTTPRequestHandler):
    """The external service: responds as the document's host does."""

    def do_HEAD(self) -> None:
        self.send_response(301)
        self.send_header("location", f"https://{HOST}/")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """ADDRESS:PORT of the external service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{service.server_address[1]}"
        service.shutdown()


@contextmanager
def egressd(home: Path, *words: str, socket: str = "grpc") -> Iterator["subprocess.Popen[bytes]"]:
    """An egressd that is ready, with its state in `home` and its API at unix:HOME/SOCKET."""
    command = [
        sys.executable, "-m", "egress_server", "run",
        "--data-dir", str(home / "data"),
        "--grpc-address", f"unix:{home}/{socket}",
        "--http-address", "127.0.0.1:0",
        *words,
    ]  # fmt: skip
    log = home / "log"
    with log.open("ab") as output, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output) as process:
        try:
            _await_ready(process, log)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def target(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoints of egressd: one for all tests of this folder, with the local cluster `local`."""
    home = tmp_path_factory.mktemp("egressd")
    with egressd(home, "--local-cluster", "local", "--resolve", f"{HOST}:80:{shop}"):
        yield f"unix:{home}/grpc"


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns once it reports to be ready; an egressd that never does is killed and its log shown."""
    assert process.stdout is not None
    late = threading.Timer(_READY_SECONDS, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
    finally:
        late.cancel()
    if b"ready" not in line:
        process.kill()
        pytest.fail(log.read_text(errors="replace")[-4000:])


@pytest.fixture
def client(target: str) -> Iterator[EgressClient]:
    """A client of it."""
    with EgressClient(target) as client:
        yield client


@pytest.fixture
def ctl(target: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs egressctl as a user does."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from egress.cli import main; main()", *words]
        environment = {**os.environ, "EGRESS_SERVER": target, "EGRESS_CONFIG": os.devnull}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    return run
