"""The mode in MeshConfig, whatever the text around it is like: real istiod reads what we mean, and afterwards what it
read without us."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from egress_server.domain.model.clusters import KubernetesTarget, MeshPolicyBackend
from egress_server.targets.kubernetes.configmap.mesh_config import effective_mode
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import eventually
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import policy

REST = "enableAutoMtls: false\nrootNamespace: istio-system\ntrustDomain: cluster.local\n"
URL = "http://www.aliyun.com/"


@pytest.fixture
async def driver(mesh: Mesh) -> AsyncIterator[Driver]:
    """Drives the mesh, by MeshConfig alone."""
    driver = await Driver.open(mesh.server)
    driver.cluster = replace(driver.cluster, target=KubernetesTarget(mesh_policy=MeshPolicyBackend.MESH_CONFIG))
    yield driver
    await driver.close()


def heeded(mesh: Mesh) -> str:
    """The mode that istiod goes by; it prints the enum's zero as an empty object."""
    said: str = json.loads(mesh.istiod_debug("/debug/mesh"))["outboundTrafficPolicy"].get("mode", "REGISTRY_ONLY")
    return said


def text(mesh: Mesh) -> str:
    """Of MeshConfig."""
    found: str = mesh.get("configmap", "istio", "-n", "istio-system")["data"]["mesh"]
    return found


def given(mesh: Mesh, mesh_config: str) -> None:
    """MeshConfig as another client wrote it, once istiod applies it."""
    patch = json.dumps({"data": {"mesh": mesh_config}})
    mesh.kubectl("patch", "configmap", "istio", "-n", "istio-system", "--type=merge", "-p", patch)
    eventually(lambda: heeded(mesh) == effective_mode(mesh_config), f"istiod to go by {mesh_config!r}")


@pytest.mark.parametrize(
    "mesh_config",
    [
        REST.rstrip(),
        "# of the mesh\n---\n# by hand\n" + REST,
        REST.replace("\n", "\r\n"),
        json.dumps({"enableAutoMtls": False, "trustDomain": "cluster.local"}, indent=2),
        REST + "outboundTrafficPolicy: {}",
        REST + "outboundTrafficPolicy:\n",
        REST + "outboundTrafficPolicy: {mode: 1} # by number",
        REST + "outbound_traffic_policy:\n  mode: ALLOW_ANY\n",
        REST + "extensionProviders: &none []\nserviceSettings: *none\noutboundTrafficPolicy: { 'mode': \"ALLOW_ANY\" }",
    ],
)
async def test_istiod_reads_what_was_meant(driver: Driver, mesh: Mesh, mesh_config: str) -> None:
    """In whatever way others have written it."""
    given(mesh, mesh_config)
    for mode in ("REGISTRY_ONLY", "ALLOW_ANY", "REGISTRY_ONLY"):
        assert await driver.reconcile(policy(mode)) == {}
        eventually(lambda mode=mode: heeded(mesh) == mode, f"istiod to go by {mode}")  # type: ignore[misc]
    await driver.release()
    assert text(mesh) == mesh_config
    eventually(lambda: heeded(mesh) == effective_mode(mesh_config), "istiod to go by what was there before")


@pytest.mark.parametrize(
    "broken", ["a: 1\na: 2\n", "\toutboundTrafficPolicy: {}", "outboundTrafficPolicy: {mode: [1]}"]
)
async def test_a_text_that_istiod_reads_otherwise_or_not_at_all_is_left_alone(
    driver: Driver, mesh: Mesh, broken: str
) -> None:
    """It is reported, and nothing is written."""
    patch = json.dumps({"data": {"mesh": broken}})
    mesh.kubectl("patch", "configmap", "istio", "-n", "istio-system", "--type=merge", "-p", patch)
    obstacles = await driver.reconcile(policy("REGISTRY_ONLY"))
    assert [problem.reason for problem in obstacles.values()] == ["CONFIG_UNREADABLE"]
    assert text(mesh) == broken


async def test_a_workload_is_held_by_it(
    driver: Driver, mesh: Mesh, curl: Workload, foreign_unchanged: Callable[[], None]
) -> None:
    """As by the root namespace's Sidecar: 502 for unregistered hosts, and the answer again after the release."""
    assert curl.curl(URL).status == 301
    assert await driver.reconcile(policy("REGISTRY_ONLY")) == {}
    assert not mesh.kubectl("get", "sidecars", "-A", "-o", "name")
    curl.until(lambda: curl.curl(URL), lambda answer: answer.status == 502, "502")
    await driver.release()
    curl.until(lambda: curl.curl(URL), lambda answer: answer.status == 301, "301 again")
