"""Start, stop, and everything that can keep egressd from starting, with the documented message and exit code."""

import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from egress_server.cli.main import app
from tests.integration.app.requests import MESH, ok
from tests.integration.app.transports import Answer, GrpcTransport, RestTransport, Transport
from tests.support.egressd import Egressd, run_cli, running
from tests.support.waiting import eventually

REGISTRY_ONLY = {"parent": MESH, "outboundPolicy": {"mode": "REGISTRY_ONLY"}}
QUICK_SECONDS = 6.0
"""Well below the drain time, and well above what a stop takes on a busy machine."""


def _egressd(*words: str) -> tuple[int, str]:
    done = run_cli("egress_server.cli", *words)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--grpc-address", "0.0.0.0:9090"),
        ("--http-address", "0.0.0.0:8080"),
        ("--http-address", "[::]:8080"),
        ("--grpc-address", "192.0.2.1:9090"),
        ("--http-address", "example.com:8080"),
    ],
)
def test_refuses_to_listen_beyond_loopback(home: Path, words: tuple[str, str]) -> None:
    """An address that other machines can reach is refused before anything starts."""
    done = CliRunner().invoke(app, ["run", "--data-dir", str(home / "data"), *words])
    assert done.exit_code == 2
    assert words[0] in done.stderr
    assert "loopback" in done.stderr
    assert not (home / "data").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--grpc-address", "localhost"),
        ("--http-address", "127.0.0.1:99999"),
        ("--resolve", "nonsense"),
        ("--log-level", "loud"),
        ("--drain-seconds", "-1"),
        ("--local-cluster", "Not A Cluster"),
        ("--nonsense", "1"),
    ],
)
def test_wrong_usage(home: Path, words: tuple[str, str]) -> None:
    """An invalid flag is named, and nothing starts."""
    done = CliRunner().invoke(app, ["run", "--data-dir", str(home / "data"), *words])
    assert done.exit_code == 2
    assert words[0] in done.stderr
    assert not (home / "data").exists()


def test_usage_error_of_a_process(home: Path) -> None:
    """The process exits with 2, and shows no traceback."""
    code, said = _egressd("run", "--data-dir", str(home / "data"), "--http-address", "0.0.0.0:8080")
    assert code == 2
    assert "loopback" in said


def test_a_second_one_is_refused(home: Path) -> None:
    """A data directory serves one egressd; the error of a second one names the first, which is unaffected."""
    with running(home) as first:
        code, said = _egressd(*_like(first, home / "other"))
        assert code == 1
        assert f"process {first.pid}" in said
        assert str(first.data_dir) in said
        assert httpx.get(f"{first.url}/readyz").status_code == 200


def _like(egressd: Egressd, home: Path) -> list[str]:
    """The error of another egressd on the same data."""
    home.mkdir()
    return [
        "run",
        "--data-dir",
        str(egressd.data_dir),
        "--grpc-address",
        f"unix:{home}/g",
        "--http-address",
        "127.0.0.1:0",
    ]


@pytest.mark.parametrize("flag", ["--grpc-address", "--http-address"])
def test_port_in_use(home: Path, flag: str) -> None:
    """A port in use is named, and everything already started is stopped again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        egressd = Egressd(home, clusters=["one"])
        address = f"127.0.0.1:{other.getsockname()[1]}"
        words = [*egressd.argv[3:], flag, address]
        code, said = _egressd(*words)
    assert code == 1
    assert address in said
    assert egressd.leftovers() == []


def test_socket_in_use(home: Path) -> None:
    """A unix socket in use is not taken over."""
    with socket.socket(socket.AF_UNIX) as other:
        egressd = Egressd(home)
        other.bind(egressd.grpc.removeprefix("unix:"))
        other.listen()
        code, said = _egressd(*egressd.argv[3:])
    assert code == 1
    assert egressd.grpc in said


def test_data_that_is_not_ours(home: Path) -> None:
    """A data directory whose store was lost is refused instead of being started empty."""
    with running(home) as egressd:
        pass
    shutil.rmtree(egressd.data_dir / "redis")
    code, said = _egressd(*egressd.argv[3:])
    assert code == 1
    assert "lost" in said


def test_a_stop_is_quick_and_clean(home: Path, outside: list[str]) -> None:
    """SIGTERM with an agent attached and a REST connection open: exit 0 immediately, no traceback, nothing left."""
    with running(home, clusters=["one"], resolve=outside) as egressd, httpx.Client(base_url=egressd.url) as web:
        transport = GrpcTransport(egressd.grpc)
        eventually(
            lambda: ok(transport.call("GetCluster", {"name": f"{MESH}/clusters/one"}))["status"].get("agents") == 1,
            "agent",
        )
        assert web.get("/healthz").status_code == 200
        begin = time.monotonic()
        assert egressd.stop() == 0
        assert time.monotonic() - begin < QUICK_SECONDS
    log = egressd.log.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log
    assert "fork" not in log
    eventually(lambda: egressd.leftovers() == [], f"{egressd.leftovers()} to end")


def test_a_stop_ends_waits_with_what_was_reached(home: Path) -> None:
    """A wait for a change returns the state immediately, over both transports, and does not use up the drain time."""
    egressd = Egressd(home, clusters=["one"])
    egressd.argv += ["--drain-seconds", "60"]
    try:
        egressd.start()
        eventually(lambda: bool(egressd.children("envoy")), "an Envoy")
        egressd.children("envoy")[0].suspend()
        made = ok(GrpcTransport(egressd.grpc).call("SetOutboundPolicy", REGISTRY_ONLY))
        answers = _cut_off(egressd, "WaitChange", {"name": made["change"]["name"], "timeout": "100s"})
        begin = time.monotonic()
    finally:
        assert egressd.stop() == 0
    assert time.monotonic() - begin < 30
    for answer in answers:
        assert "reached" not in ok(answer)
        (behind,) = ok(answer)["waitingFor"]
        assert behind["cluster"] == f"{MESH}/clusters/one"
    assert "Traceback" not in egressd.log.read_text()


def test_a_stop_ends_calls_that_take_too_long(home: Path) -> None:
    """Calls that outlast the drain get a proper error over both transports."""
    egressd = Egressd(home)
    egressd.argv += ["--drain-seconds", "1"]
    try:
        egressd.start()
        made = ok(GrpcTransport(egressd.grpc).call("SetOutboundPolicy", REGISTRY_ONLY))
        (server,) = egressd.children("valkey-server")
        server.suspend()
        answers = _cut_off(egressd, "GetChange", {"name": made["change"]["name"]})
        server.resume()
    finally:
        assert egressd.stop() == 0
    assert [answer.code for answer in answers] == [14, 14]
    assert (answers[1].http, answers[1].reason) == (503, "SERVER_STOPPING")
    assert "Traceback" not in egressd.log.read_text()


def _cut_off(egressd: Egressd, method: str, request: dict[str, str]) -> list[Answer]:
    """The response of both transports to a call in progress when the server is stopped."""
    transports: list[Transport] = [GrpcTransport(egressd.grpc), RestTransport(egressd.url)]
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(transport.call, method, request) for transport in transports]
        time.sleep(0.5)  # there is no sign that a call is in progress
        psutil.Process(egressd.pid).terminate()
        return [call.result() for call in calls]


def test_deep_data_directory(home: Path) -> None:
    """A data directory whose path is longer than a socket path may be works all the same."""
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    egressd = Egressd(deep, clusters=["one"])
    egressd.grpc = f"unix:{home}/grpc"
    egressd.argv[egressd.argv.index("--grpc-address") + 1] = egressd.grpc
    try:
        egressd.start()
        transport = GrpcTransport(egressd.grpc)
        made = ok(transport.call("SetOutboundPolicy", {"parent": MESH, "outboundPolicy": {"mode": "REGISTRY_ONLY"}}))
        waited = ok(transport.call("WaitChange", {"name": made["change"]["name"], "timeout": "20s"}))
        assert waited.get("reached"), waited
    finally:
        assert egressd.stop() == 0
