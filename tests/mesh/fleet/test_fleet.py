"""Registration of real clusters, and operators' decisions about them, with egressctl."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run, eventually
from tests.support.egressd import free_port

SIDECAR = "Sidecar/shop/theirs"
THEIRS = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Sidecar",
    "metadata": {"name": "theirs", "namespace": "shop"},
    "spec": {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}, "egress": [{"hosts": ["./*", "istio-system/*"]}]},
}


@pytest.fixture
def egressd(run: Run) -> Iterator[Egressd]:
    """With no cluster yet."""
    with Egressd(run) as egressd:
        yield egressd


def kubeconfig(mesh: Mesh, egressd: Egressd, token: str, server: str = "") -> Path:
    """A kubeconfig whose authority and token are in separate files, as many tools write it."""
    folder = egressd.folder
    (folder / "token").write_text(f"{token}\n")
    original = json.loads(mesh.kubectl("config", "view", "--raw", "-o", "json"))
    cluster = original["clusters"][0]["cluster"]
    (folder / "ca.pem").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    whole: dict[str, Any] = {
        "current-context": "elsewhere",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {"name": "c", "cluster": {"server": server or cluster["server"], "certificate-authority": "ca.pem"}}
        ],
        "users": [{"name": "u", "user": {"tokenFile": str(folder / "token")}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(whole))
    return path


def kept(egressd: Egressd) -> bytes:
    """Whatever egressd has written."""
    return b"".join(path.read_bytes() for path in egressd.folder.rglob("*") if path.is_file() and path.name != "token")


def test_the_rights_of_the_example_are_enough(egressd: Egressd, mesh: Mesh) -> None:
    """A cluster is managed with the service account that the example makes, by a kubeconfig that names files; what
    is wrong with another is reported by reason and exit code, and its token is nowhere."""
    mesh.apply(Path("examples/kubernetes-rights.yaml").read_text())
    token = mesh.kubectl("-n", "mesh-egress", "create", "token", "egress").strip()
    words = ("cluster", "register", mesh.name, "--target", "kubernetes", "--context", "here", "--kubeconfig")

    nowhere = kubeconfig(mesh, egressd, token, f"https://127.0.0.1:{free_port()}")
    assert f"{mesh.name} is OFFLINE" in egressd.ctl(*words, str(nowhere), code=3).stderr
    wrong = kubeconfig(mesh, egressd, "wrong")
    assert "cannot be managed: the API server rejects" in egressd.ctl(*words, str(wrong), code=1).stderr
    stranger = str(mesh.server.kubeconfig("stranger"))
    lacking = egressd.ctl(*words[:5], "--kubeconfig", stranger, code=1).stderr
    assert "PERMISSIONS_MISSING" in lacking
    assert "create serviceentries.networking.istio.io" in lacking

    done = egressd.ctl(*words, str(kubeconfig(mesh, egressd, token)))
    assert f"{mesh.name} is ONLINE: Kubernetes v1." in done.stderr
    assert mesh.services.flag.split(",")[0] in done.stderr
    egressd.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "applied")
    assert mesh.get("sidecar", "egress-default", "-n", "istio-system")["spec"]["outboundTrafficPolicy"]
    assert token.encode() not in kept(egressd)
    egressd.ctl("cluster", "deregister", mesh.name, "--cleanup")


def test_an_object_is_adopted_and_given_back(
    egressd: Egressd, mesh: Mesh, foreign_unchanged: Callable[[], None]
) -> None:
    """It is changed only while it is adopted; a release restores it, as does the cleanup."""
    mesh.put(THEIRS)
    egressd.register(mesh)

    def mode() -> Any:
        return mesh.get("sidecar", "theirs", "-n", "shop")["spec"]["outboundTrafficPolicy"]["mode"]

    refused = egressd.ctl(
        "outbound", "set", "REGISTRY_ONLY", "--namespace", "shop", "--wait", "applied", "--timeout", "5s", code=1
    )
    assert f"egressctl cluster adopt {mesh.name} {SIDECAR}" in refused.stderr
    assert mode() == "ALLOW_ANY"
    egressd.ctl("cluster", "adopt", mesh.name, SIDECAR, "--reason", "agreed", "--wait", "applied")
    assert mode() == "REGISTRY_ONLY"
    assert f"adopted: {SIDECAR}" in egressd.ctl("cluster", "get", mesh.name).stdout
    egressd.ctl("cluster", "release", mesh.name, SIDECAR, "--wait", "applied")
    assert mode() == "ALLOW_ANY"
    policy = next(iter(egressd.client.list_outbound_policies()))
    (rollout,) = egressd.client.list_cluster_rollouts(policy.revision)
    assert rollout.error.reason == "FOREIGN_OWNER"
    egressd.ctl("cluster", "adopt", mesh.name, SIDECAR, "--wait", "applied")
    assert mode() == "REGISTRY_ONLY"
    egressd.deregister(mesh.name)
    assert mode() == "ALLOW_ANY"
    mesh.kubectl("delete", "sidecar", "theirs", "-n", "shop")


def test_mass_deletion_needs_approval(egressd: Egressd, mesh: Mesh) -> None:
    """The cluster is held, reports what would be deleted, and accepts an approval of exactly that."""
    egressd.register(mesh, "--label", "tier=gold")
    for number in range(7):
        made = egressd.client.upsert_service_entry(
            f"e{number}", hosts=[f"e{number}.example.com"], ports=["80:HTTP"], cluster_labels={"tier": "gold"}
        )
    made.wait()
    held = egressd.ctl("cluster", "update", mesh.name, "--wait", "applied", code=1)
    assert f"egressctl cluster approve {mesh.name}" in held.stderr
    assert len(mesh.get("serviceentries", "-n", "default")["items"]) == 7
    token = egressd.client.get_cluster(mesh.name).status.approval_token
    assert "TOKEN_MISMATCH" in egressd.ctl("cluster", "approve", mesh.name, "--token", "other", code=1).stderr
    egressd.ctl("cluster", "approve", mesh.name, "--token", token, "--wait", "applied")
    assert mesh.get("serviceentries", "-n", "default")["items"] == []


def test_another_store_is_followed_when_accepted(run: Run, egressd: Egressd, mesh: Mesh) -> None:
    """A server that has lost its data changes nothing on the cluster until an operator accepts it."""
    with Egressd(run) as lost:
        lost.ctl("cluster", "register", mesh.name, "--target", "kubernetes", "--kubeconfig", str(mesh.kubeconfig))
        lost.ctl("outbound", "set", "REGISTRY_ONLY", "--namespace", "default", "--wait", "applied")
        lost.kill()
    target = ("--target", "kubernetes", "--kubeconfig", str(mesh.kubeconfig))
    held = egressd.ctl("cluster", "register", mesh.name, *target, code=1).stderr
    assert f"{mesh.name} is HELD" in held
    assert f"egressctl cluster accept-store-reset {mesh.name}" in held
    assert mesh.get("sidecars", "-n", "default")["items"]
    egressd.ctl("cluster", "accept-store-reset", mesh.name, "--wait", "applied")
    eventually(lambda: mesh.get("sidecars", "-n", "default")["items"] == [], "the unknown policy is gone")
    egressd.ctl("cluster", "deregister", mesh.name, "--cleanup")


def test_workloads_are_restarted_when_asked(egressd: Egressd, mesh: Mesh) -> None:
    """One by one, up to the first that does not exist; those restarted run with the new rules."""
    workload = mesh.workload("rested")
    name = f"Deployment/{workload.namespace}/{workload.name}"
    egressd.register(mesh)
    egressd.ctl("intercept", "set", "--include", "SERVICE_CIDRS", "--wait", "applied")
    eventually(lambda: name in egressd.ctl("cluster", "stale", mesh.name).stdout, "the workload reported as stale")
    pod = workload.pod()["metadata"]["name"]

    stopped = egressd.ctl("cluster", "restart", mesh.name, "Deployment/default/none", name, "--wait", code=1).stderr
    assert "Stopped after 0 workloads: Deployment/default/none: " in stopped
    assert workload.pod()["metadata"]["name"] == pod

    done = egressd.ctl("cluster", "restart", mesh.name, name, "--wait")
    assert f"1 workload of {mesh.name} restarted." in done.stderr
    workload.await_ready()
    assert workload.pod()["metadata"]["name"] != pod
    eventually(lambda: name not in egressd.ctl("cluster", "stale", mesh.name).stdout, "the workload no longer stale")
    assert not workload.curl("http://www.aliyun.com/").by_envoy
