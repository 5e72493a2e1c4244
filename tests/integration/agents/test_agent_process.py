"""`egressd agent` as a process, next to a real Envoy with an admin interface as a sidecar's, attached to a real server.

Connections that iptables redirect are tested in the mesh tier: there are no iptables here.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest

from egress.v1 import cluster_pb2, probe_pb2
from egress.v1 import fleet_service_pb2 as fleet_pb
from egress_server.targets.local.envoy import envoy_binary
from tests.support.daemon import Daemon, running_daemon
from tests.support.egressd import free_port, run_cli
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("agent-process")

MESH = "meshes/default"
CLUSTER = f"{MESH}/clusters/c0"
NODE = {
    "id": "sidecar~192.0.2.7~curl-0.shop~shop.svc.cluster.local",
    "cluster": "curl.shop",
    "metadata": {"NAMESPACE": "shop", "CLUSTER_ID": "Kubernetes", "LABELS": {"app": "curl"}},
}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with a short path: sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Daemon]:
    """A server with a cluster that has no agent of its own."""
    with running_daemon(home, "--directory-root", str(home / "objects")) as daemon:
        cluster = cluster_pb2.Cluster(name=CLUSTER, directory=cluster_pb2.Cluster.DirectoryTarget())
        daemon.fleet.RegisterCluster(fleet_pb.RegisterClusterRequest(cluster=cluster))
        yield daemon


@contextlib.contextmanager
def sidecar(home: Path, admin: int, outbound: int) -> Iterator[None]:
    """A real Envoy that has nothing but what the agent looks at."""

    def at(port: int) -> Mapping[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    bootstrap = {
        "node": NODE,
        "admin": {"address": at(admin)},
        "static_resources": {
            "listeners": [{"name": "virtualOutbound", "address": at(outbound), "filter_chains": [{}]}]
        },
    }
    (home / "envoy.json").write_text(json.dumps(bootstrap))
    argv = [str(envoy_binary()), "-c", str(home / "envoy.json"), "--disable-hot-restart", "--concurrency", "1"]
    with (home / "envoy.log").open("wb") as log:
        envoy = subprocess.Popen([*argv, "--log-level", "warning"], stderr=log)
    try:
        yield
    finally:
        envoy.kill()
        envoy.wait()


class AgentProcess:
    """An agent with its log."""

    def __init__(self, home: Path, *words: str, **environment: str) -> None:
        self.log = home / "agent.log"
        argv = [sys.executable, "-m", "egress_server", "agent", "--server", f"unix:{home}/grpc", "--cluster", "c0"]
        own = {key: value for key, value in os.environ.items() if not key.startswith(("EGRESSD_", "KUBERNETES_"))}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*argv, *words], stderr=log, env={**own, **environment})

    def events(self) -> list[str]:
        """What it has logged by now, each its event and what it says of it."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        return [f"{line['event']} {line.get('error') or line.get('uid', '')}".strip() for line in lines]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextlib.contextmanager
def running(home: Path, *words: str, **environment: str) -> Iterator[AgentProcess]:
    """An agent, gone at the end."""
    agent = AgentProcess(home, *words, **environment)
    try:
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait()


def attached(server: Daemon) -> list[fleet_pb.Agent]:
    """The agents of the cluster."""
    return list(server.fleet.ListAgents(fleet_pb.ListAgentsRequest(parent=CLUSTER)).agents)


def probe(server: Daemon, url: str, resolve: str = "") -> probe_pb2.ProbeResponse:
    """One probe."""
    return server.egress.Probe(probe_pb2.ProbeRequest(cluster=CLUSTER, url=url, resolve=resolve))


def test_life(home: Path, server: Daemon) -> None:
    """It waits for its sidecar and logs that, attaches with the identity of the sidecar, reattaches to a server that
    was down, and exits cleanly."""
    admin, outbound = free_port(), free_port()
    flags = ("--envoy-admin", f"127.0.0.1:{admin}", "--capture-port", str(outbound))
    with running(home, *flags) as agent:
        waits = "sidecar_not_ready [Errno 111] Connection refused"
        eventually(lambda: waits in agent.events())
        assert not attached(server)
        with sidecar(home, admin, outbound):
            eventually(lambda: bool(attached(server)))
            (known,) = attached(server)
            assert (known.agent, known.namespace, known.workload_cluster) == ("curl-0", "shop", "Kubernetes")
            assert dict(known.labels) == {"app": "curl"}
            # It runs as the user that its sidecar runs as, which in a pod would keep iptables from catching it.
            assert f"agent_has_sidecars_user {os.geteuid()}" in agent.events()

            server.stop()
            server.start()
            eventually(lambda: bool(attached(server)))
            assert agent.stop() == 0
            eventually(lambda: not attached(server))


def test_forbidden(home: Path, server: Daemon) -> None:
    """What may not be asked is refused in the agent, the API server as Kubernetes tells the pod too."""
    admin, outbound = free_port(), free_port()
    flags = ("--envoy-admin", f"127.0.0.1:{admin}", "--capture-port", str(outbound))
    with sidecar(home, admin, outbound), running(home, *flags, KUBERNETES_SERVICE_HOST="10.96.0.1"):
        eventually(lambda: bool(attached(server)))
        for url, resolve in (
            ("http://127.0.0.1/", ""),
            ("tcp://169.254.169.254:80", ""),
            ("https://www.example.com/", "10.96.0.1"),
            ("tcp://10.96.0.1:6443", ""),
        ):
            with pytest.raises(grpc.RpcError, match="the agent refused"):
                probe(server, url, resolve)


def test_sidecar_that_stops(home: Path, server: Daemon) -> None:
    """Without its sidecar the agent stays attached, and reports of a probe that there is no sidecar."""
    admin, outbound = free_port(), free_port()
    with running(home, "--envoy-admin", f"127.0.0.1:{admin}", "--capture-port", str(outbound), "--name", "a"):
        with sidecar(home, admin, outbound):
            eventually(lambda: bool(attached(server)))
        answer = probe(server, "https://www.example.com/", resolve="203.0.113.10")
        assert [agent.agent for agent in attached(server)] == ["a"]
    assert answer.outcome == probe_pb2.ProbeResponse.INCONCLUSIVE
    assert answer.causes[0].code == "SIDECAR_UNREACHABLE"


def test_interrupted_while_it_waits(home: Path) -> None:
    """Ctrl-C ends it at any time."""
    with running(home, "--envoy-admin", f"127.0.0.1:{free_port()}") as agent:
        eventually(lambda: bool(agent.events()))
        assert agent.stop(signal.SIGINT) == 0


def test_wrong_flags() -> None:
    """What is wrong is said by flag, before anything starts."""
    wrong = run_cli("egress_server.cli", "agent", "--cluster", "C0", "--labels", "app")
    assert wrong.returncode == 2
    lines = wrong.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["--server", "--cluster", "--labels"]
    assert lines[0] == "egressd: --server: is required (or set EGRESSD_AGENT_SERVER)"
