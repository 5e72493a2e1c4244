"""A whole egressd in a process of its own, spoken to by bare gRPC, which tests stop, kill and start again."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

from egress.v1 import change_service_pb2_grpc, egress_service_pb2_grpc, fleet_service_pb2_grpc

HOST = "www.shop.example"
"""A name that no resolver knows: only --resolve says where it is."""
READY_SECONDS = 60.0


class _Shop(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(301)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def shop() -> Iterator[str]:
    """ADDRESS:PORT of an external service that answers every HEAD with 301."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{service.server_address[1]}"
        service.shutdown()


class Daemon:
    """An egressd with its state in `home`; `words` are its further options."""

    def __init__(self, home: Path, *words: str) -> None:
        self._home = home
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self.http = ""
        self.channel = grpc.insecure_channel(
            f"unix:{home}/grpc",
            [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)],
        )
        self.egress = egress_service_pb2_grpc.EgressServiceStub(self.channel)
        self.changes = change_service_pb2_grpc.ChangeServiceStub(self.channel)
        self.fleet = fleet_service_pb2_grpc.FleetServiceStub(self.channel)

    def start(self) -> None:
        """Returns once it is ready and the channel reaches it."""
        command = [
            sys.executable, "-m", "egress_server", "run",
            "--data-dir", str(self._home / "data"),
            "--grpc-address", f"unix:{self._home}/grpc",
            "--http-address", "127.0.0.1:0",
            *self._words,
        ]  # fmt: skip
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        late = threading.Timer(READY_SECONDS, self._process.kill)
        late.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline().decode()
        finally:
            late.cancel()
        assert "ready" in line, (self._home / "log").read_text(errors="replace")[-4000:]
        self.http = line.split("http ")[1].strip()
        grpc.channel_ready_future(self.channel).result(timeout=10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it, by a signal, and waits until it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self.stop(signal.SIGKILL)


@contextmanager
def running_daemon(home: Path, *words: str) -> Iterator[Daemon]:
    """One that is ready."""
    daemon = Daemon(home, *words)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        daemon.channel.close()


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for what nobody announces."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come in time"
        time.sleep(0.05)
