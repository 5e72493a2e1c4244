"""Interception from the command to the connection that bypasses the sidecar, on two real meshes."""

import json
from collections.abc import Iterator

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run, eventually

URL = "http://www.aliyun.com/"


@pytest.fixture
def egressd(run: Run, meshes: list[Mesh]) -> Iterator[Egressd]:
    """Both meshes, registered."""
    with Egressd(run) as egressd:
        for mesh in meshes:
            egressd.register(mesh)
        yield egressd


def included(mesh: Mesh) -> str:
    """What the injector's values say."""
    data = mesh.get("configmap", "istio-sidecar-injector", "-n", "istio-system")["data"]
    said: str = json.loads(data["values"])["global"]["proxy"]["includeIPRanges"]
    return said


def stale(egressd: Egressd, mesh: Mesh) -> set[str]:
    """The workloads with older rules, as KIND/NAMESPACE/NAME."""
    return {f"{each.kind}/{each.namespace}/{each.name}" for each in egressd.client.list_stale_workloads(mesh.name)}


def test_one_policy_with_each_clusters_own_ranges(egressd: Egressd, meshes: list[Mesh]) -> None:
    """Each mesh gets its own; running pods keep their rules, are reported, and bypass the sidecar once restarted."""
    here, there = meshes
    workload = here.workload("intercepted")
    assert workload.curl(URL).by_envoy
    egressd.ctl("intercept", "set", "--id", "ranges", "--include", "SERVICE_CIDRS", "--wait", "applied")
    assert included(here) == f"{here.services.v4},{here.services.v6}"
    assert included(there) == f"{there.services.v4},{there.services.v6}"
    eventually(lambda: "Deployment/default/intercepted" in stale(egressd, here), "the workload reported as stale")
    assert workload.curl(URL).by_envoy
    workload.restart()
    assert not workload.curl(URL).by_envoy
    eventually(lambda: "Deployment/default/intercepted" not in stale(egressd, here), "the workload no longer stale")
    egressd.ctl("intercept", "delete", "ranges", "--wait", "applied")
    assert (included(here), included(there)) == ("*", "*")
    eventually(lambda: "Deployment/default/intercepted" in stale(egressd, here), "the workload reported as stale again")
    workload.restart()
    assert workload.curl(URL).by_envoy
