"""A server and an applier as separate processes: one accepts changes, the other applies them, and agents serve both."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest

from egress.v1 import change_service_pb2, fleet_service_pb2, probe_pb2
from tests.integration.processes.conftest import CLUSTER, MESH, agent_at, reaches, register, upsert
from tests.support.daemon import HOST, Applier, Daemon, running_applier, running_daemon
from tests.support.redis import server_pid
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("processes")

APPLIED = change_service_pb2.WaitChangeRequest.APPLIED
VERIFIED = change_service_pb2.WaitChangeRequest.VERIFIED


def homes(tmp_path: Path, *names: str) -> list[Path]:
    """A folder for each process."""
    made = [tmp_path / name for name in names]
    for home in made:
        home.mkdir()
    return made


@pytest.fixture
def pair(tmp_path: Path, redis: str) -> Iterator[tuple[Daemon, Applier]]:
    """A server, and an applier for clusters in folders."""
    server, applier = homes(tmp_path, "server", "applier")
    with (
        running_daemon(server, "--redis-url", redis, command="serve") as daemon,
        running_applier(applier, "--redis-url", redis, "--directory-root", str(tmp_path / "repo")) as drives,
    ):
        register(daemon)
        yield daemon, drives


def probe(daemon: Daemon) -> probe_pb2.ProbeResponse:
    """One attempt by an agent of the cluster."""
    return daemon.egress.Probe(probe_pb2.ProbeRequest(cluster=CLUSTER, url=f"http://{HOST}/"), timeout=30)


def agents(daemon: Daemon) -> list[str]:
    """The agents that a server sees."""
    found = daemon.fleet.ListAgents(fleet_service_pb2.ListAgentsRequest(parent=f"{MESH}/clusters/-")).agents
    return [agent.agent for agent in found]


def test_told_here_done_there(tmp_path: Path, pair: tuple[Daemon, Applier]) -> None:
    """A change accepted by the API reaches the cluster, and both processes show that; without an applier nothing is
    applied."""
    daemon, applier = pair
    assert reaches(daemon, upsert(daemon), APPLIED)
    assert HOST in "".join(path.read_text() for path in (tmp_path / "repo/gitops").rglob("*.yaml"))
    pages = f"http://{applier.http}"
    assert httpx.get(f"{pages}/healthz").status_code == 200
    assert httpx.get(f"{pages}/readyz").json() == {"ready": True}
    assert 'egress_cluster_applied_revision{cluster="gitops",mesh="default"}' in httpx.get(f"{pages}/metrics").text
    missing = httpx.get(f"{pages}/v1/{MESH}")
    assert (missing.status_code, missing.json()["details"][0]["reason"]) == (404, "ROUTE_NOT_FOUND")
    assert applier.stop() == 0
    assert "Traceback" not in applier.log.read_text()
    change = upsert(daemon)
    short = change_service_pb2.WaitChangeRequest(name=change)
    short.timeout.FromSeconds(1)
    assert not daemon.changes.WaitChange(short).reached
    applier.start()
    assert reaches(daemon, change, APPLIED)


def test_verified_by_an_agent_at_the_server(pair: tuple[Daemon, Applier]) -> None:
    """The applier has its changes verified by an agent whose stream the server holds."""
    daemon, applier = pair
    with agent_at(daemon):
        assert reaches(daemon, upsert(daemon), VERIFIED)
        assert "egress_attached_agents 0.0" in httpx.get(f"http://{applier.http}/metrics").text
        assert "egress_attached_agents 1.0" in httpx.get(f"http://{daemon.http}/metrics").text


def test_probe_by_another_server(tmp_path: Path, redis: str, pair: tuple[Daemon, Applier]) -> None:
    """A probe reaches an agent at another server; when that server dies, the agent soon disappears."""
    daemon, _ = pair
    reaches(daemon, upsert(daemon), APPLIED)
    home = tmp_path / "other"
    home.mkdir()
    with running_daemon(home, "--redis-url", redis, command="serve") as other, agent_at(other):
        eventually(lambda: agents(daemon) == ["curl-0"])
        answer = probe(daemon)
        assert (answer.outcome, answer.agent, answer.agrees) == (probe_pb2.ProbeResponse.REGISTERED, "curl-0", True)
        other.kill()
        eventually(lambda: not agents(daemon))
        with pytest.raises(grpc.RpcError) as gone:
            probe(daemon)
        assert gone.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        other.start()
        eventually(lambda: agents(daemon) == ["curl-0"])
        assert probe(daemon).attempts[0].status == 301


def test_redis_away_and_back(redis_home: Path, pair: tuple[Daemon, Applier]) -> None:
    """While Redis is frozen an agent at the server still serves its probes; afterwards everything works again."""
    daemon, applier = pair
    with agent_at(daemon):
        assert reaches(daemon, upsert(daemon), VERIFIED)
        os.kill(server_pid(redis_home), signal.SIGSTOP)
        try:
            eventually(lambda: httpx.get(f"http://{applier.http}/readyz", timeout=20).status_code == 503)
            assert probe(daemon).attempts[0].status == 301
        finally:
            os.kill(server_pid(redis_home), signal.SIGCONT)
        assert reaches(daemon, upsert(daemon), VERIFIED)


def test_only_the_clusters_named(tmp_path: Path, redis: str) -> None:
    """An applier for one cluster does not take the lease of another; one without access to any cluster takes none."""
    server, east, none = homes(tmp_path, "server", "east", "none")
    with ExitStack() as stack:
        daemon = stack.enter_context(running_daemon(server, "--redis-url", redis, command="serve"))
        stack.enter_context(running_applier(none, "--redis-url", redis))
        words = ("--redis-url", redis, "--directory-root", str(tmp_path / "repo"), "--cluster", "east")
        stack.enter_context(running_applier(east, *words))
        for cluster in ("east", "west"):
            register(daemon, cluster)
        change = upsert(daemon)
        eventually(lambda: states(daemon, change)["east"] == "APPLIED")
        assert states(daemon, change)["west"] == "PENDING"
        assert not (tmp_path / "repo/west").exists()


def states(daemon: Daemon, change: str) -> dict[str, str]:
    """The state of a change on each cluster."""
    request = change_service_pb2.ListClusterRolloutsRequest(parent=change)
    rollouts = daemon.changes.ListClusterRollouts(request).cluster_rollouts
    return {r.cluster.rpartition("/")[2]: type(r).State.Name(r.state) for r in rollouts}
