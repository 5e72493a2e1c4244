"""The server's processes, called over plain gRPC, which tests stop, kill and restart."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

from egress.v1 import change_service_pb2_grpc, egress_service_pb2_grpc, fleet_service_pb2_grpc

HOST = "www.shop.example"
"""A name that can't be resolved: only --resolve has its address."""
READY_SECONDS = 180.0


class _Shop(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(301)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@contextmanager
def shop() -> Iterator[str]:
    """ADDRESS:PORT of an external service that answers every HEAD with 301."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{service.server_address[1]}"
        service.shutdown()


class Process:
    """One process of the server, started by `argv`; once ready it prints `word` and its HTTP address."""

    def __init__(self, log: Path, word: str, *argv: str) -> None:
        self.log = log
        self.http = ""
        self._word = word
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it is ready."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "egress_server", *self._argv]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        late = threading.Timer(READY_SECONDS, self._process.kill)
        late.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline().decode()
        finally:
            late.cancel()
        assert self._word in line, self.log.read_text(errors="replace")[-4000:]
        self.http = line.split("http ")[1].strip()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it by a signal and waits for its exit; the exit code. Harmless if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout=30)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()

    def kill(self) -> None:
        """Kills it, as a crash would."""
        self.stop(signal.SIGKILL)


class Daemon(Process):
    """An egressd with its state in `home`; `words` are its further options. As `command` either `run` or `serve`."""

    def __init__(self, home: Path, *words: str, command: str = "run") -> None:
        where = ["--data-dir", str(home / "data")] if command == "run" else []
        doors = ["--grpc-address", f"unix:{home}/grpc", "--http-address", "127.0.0.1:0"]
        super().__init__(home / "log", "ready", command, *where, *doors, *words)
        self.grpc = f"unix:{home}/grpc"
        self.channel = grpc.insecure_channel(
            self.grpc,
            [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)],
        )
        self.egress = egress_service_pb2_grpc.EgressServiceStub(self.channel)
        self.changes = change_service_pb2_grpc.ChangeServiceStub(self.channel)
        self.fleet = fleet_service_pb2_grpc.FleetServiceStub(self.channel)

    def start(self) -> None:
        """Returns once it is ready and the channel reaches it."""
        super().start()
        grpc.channel_ready_future(self.channel).result(timeout=10)


class Applier(Process):
    """An `egressd apply` with its state in `home`; it prints its HTTP address before it has a store."""

    def __init__(self, home: Path, *words: str) -> None:
        where = ["--data-dir", str(home / "data"), "--metrics-address", "127.0.0.1:0"]
        super().__init__(home / "log", "applies", "apply", *where, *words)


@contextmanager
def running_daemon(home: Path, *words: str, command: str = "run") -> Iterator[Daemon]:
    """One that is ready."""
    daemon = Daemon(home, *words, command=command)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        daemon.channel.close()


@contextmanager
def running_applier(home: Path, *words: str) -> Iterator[Applier]:
    """One that has started."""
    applier = Applier(home, *words)
    applier.start()
    try:
        yield applier
    finally:
        applier.stop()
