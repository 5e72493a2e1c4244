"""Servers and appliers as separate processes on a real mesh, including an applier inside the cluster."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import start_agent
from tests.mesh.harness.run.processes import EgressdProcesses
from tests.mesh.harness.run.run import Run, eventually
from tests.mesh.harness.workload.workload import Workload

HOST = "www.aliyun.com"
URL = f"http://{HOST}/"
ENTRY = ("entry", "upsert", "aliyun", "--host", HOST, "--port", "80:HTTP", "--wait", "applied")
TTL_SECONDS = 25


@pytest.fixture
def processes(run: Run, mesh: Mesh) -> EgressdProcesses:
    """An installation, of which nothing runs yet, and the example's service account for it."""
    mesh.apply(Path("examples/kubernetes-rights.yaml").read_text())
    return EgressdProcesses(run)


@pytest.fixture
def pod(processes: EgressdProcesses, mesh: Mesh) -> Path:
    """What a pod of that service account finds."""
    return processes.service_account(mesh)


def deregister(processes: EgressdProcesses, mesh: Mesh) -> None:
    """Nothing managed stays."""
    processes.ctl("cluster", "deregister", mesh.name, "--cleanup")


def test_faults_end_without_server_and_redis(processes: EgressdProcesses, mesh: Mesh, curl: Workload) -> None:
    """On time, by an applier that was killed and restarted meanwhile with access to nothing but the cluster."""
    way = ("--cluster", mesh.name, "--kubeconfig", str(mesh.kubeconfig))
    with processes.installed(), processes.applier(*way) as applier:
        processes.ctl("cluster", "register", mesh.name, "--target", "kubernetes")
        processes.ctl(*ENTRY)
        processes.ctl("fault", "inject", HOST, "--abort", "503", "--ttl", f"{TTL_SECONDS}s", "--wait", "applied")
        end = time.monotonic() + TTL_SECONDS
        curl.until(lambda: curl.curl(URL), lambda answer: answer.status == 503, "the fault")
        applier.kill()
    with processes.applier(*way):
        assert curl.curl(URL).status == 503
        curl.until(lambda: curl.curl(URL), lambda answer: answer.status == 301, "its end")
        assert time.monotonic() > end - 2
        [routes] = mesh.get("virtualservices", "-A")["items"]
        assert not any("fault" in route for route in routes["spec"]["http"])
        with processes.installed():
            eventually(lambda: not list(processes.client.list_faults()), "the history has its end")
            deregister(processes, mesh)


@pytest.fixture
def inside(processes: EgressdProcesses, mesh: Mesh, pod: Path) -> Iterator[EgressdProcesses]:
    """The installation, with an applier in a pod of the mesh."""
    with (
        processes.installed(),
        processes.applier("--cluster", mesh.name, "--in-cluster", pod=pod, port=mesh.server.port),
    ):
        yield processes


def test_an_applier_inside_the_cluster(run: Run, inside: EgressdProcesses, mesh: Mesh, curl: Workload) -> None:
    """By its service account, whose rights are the example's; the registration has no credentials."""
    for example in ("applier-in-cluster", "agent-deployment"):
        mesh.kubectl("apply", "--dry-run=server", "-f", f"examples/{example}.yaml")
    said = inside.ctl("cluster", "register", mesh.name, "--target", "kubernetes", "--in-cluster")
    assert f"{mesh.name} is ONLINE" in said
    agent = start_agent(run, curl, inside.socket, inside.client, inside.folder)
    try:
        inside.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "verified")
        assert curl.curl(URL).status == 502
        inside.ctl(*ENTRY[:-1], "verified")
        assert curl.curl(URL).status == 301
        deregister(inside, mesh)
        curl.until(lambda: curl.curl("http://unregistered.example.com/"), lambda answer: answer.status == 301, "open")
    finally:
        agent.kill()


def test_credentials_in_a_secret(processes: EgressdProcesses, mesh: Mesh, pod: Path) -> None:
    """A Secret in the applier's cluster has the kubeconfig; an error in it is reported, and fixing it is enough."""
    create, who = ("-n", "mesh-egress", "create"), "--serviceaccount=mesh-egress:egress"
    mesh.kubectl(*create, "role", "secrets", "--verb=get", "--resource=secrets")
    mesh.kubectl(*create, "rolebinding", "secrets", "--role=secrets", who)
    register = ("cluster", "register", mesh.name, "--target", "kubernetes", "--secret", "mesh-egress/c0")
    original = mesh.kubeconfig.read_text()
    token = json.loads(mesh.kubectl("config", "view", "--raw", "-o", "json"))["users"][0]["user"]["token"]
    with processes.installed(), processes.applier(pod=pod, port=mesh.server.port) as applier:
        assert "Secret mesh-egress/c0 does not exist or has no text under kubeconfig" in processes.ctl(
            *register, code=1
        )
        put_secret(mesh, original.replace(token, "wrong"))
        assert "rejects the credentials" in processes.ctl(*register, "--label", "tried=again", code=1)
        put_secret(mesh, original)
        eventually(lambda: online(processes, mesh), "the fixed Secret is read", 90)
        assert token not in applier.log.read_text()
        assert token not in processes.ctl("cluster", "get", mesh.name, "-o", "json")
        deregister(processes, mesh)


def put_secret(mesh: Mesh, text: str) -> None:
    """The Secret, with this kubeconfig."""
    metadata = {"name": "c0", "namespace": "mesh-egress"}
    data = {"kubeconfig": base64.b64encode(text.encode()).decode()}
    mesh.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def online(processes: EgressdProcesses, mesh: Mesh) -> bool:
    """Whether the cluster is."""
    return '"ONLINE"' in processes.ctl("cluster", "get", mesh.name, "-o", "json")
