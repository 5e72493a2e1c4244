"""Interception for a namespace where the API server has no admission policies, as before Kubernetes 1.36: it waits for
a restart that an operator requests, and templates get back what they had."""

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run, eventually
from tests.mesh.harness.workload.workload import Workload

A, B = "http://198.51.100.30/", "http://203.0.113.30/"
EXCLUDED = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture
def web(mesh: Mesh) -> Workload:
    """A workload of namespace team, whose template sets interception by itself."""
    mesh.namespace("team")
    return mesh.workload("web", "team", annotations={EXCLUDED: "203.0.113.0/24"})


def annotations(mesh: Mesh) -> dict[str, str]:
    """Those of the template."""
    return dict(mesh.get("deployment", "web", "-n", "team")["spec"]["template"]["metadata"]["annotations"])


def past(workload: Workload) -> list[bool]:
    """Whether requests to each go past the sidecar."""
    return [not workload.curl(url).by_envoy for url in (A, B)]


def test_it_waits_for_a_restart(run: Run, mesh: Mesh, web: Workload) -> None:
    """Only our record on the cluster changes; each restart applies the current policy, and nothing else does."""
    own, before = annotations(mesh), mesh.saved_state()
    with mesh.server.without_admission_policies(), Egressd(run) as egressd:
        egressd.register(mesh)
        assert not egressd.client.get_cluster(mesh.name).status.mutating_admission_policy

        def stale() -> bool:
            return "web" in {each.name for each in egressd.client.list_stale_workloads(mesh.name)}

        def restarted() -> list[bool]:
            eventually(stale, "it is reported")
            egressd.ctl("cluster", "restart", mesh.name, "--wait")
            web.await_ready()
            eventually(lambda: not stale(), "nothing more is reported")
            return past(web)

        egressd.ctl("intercept", "set", "--include", "203.0.113.0/24", "-n", "team", "--wait", "applied")
        eventually(stale, "it is reported")
        assert (annotations(mesh), past(web)) == (own, [False, True])
        assert restarted() == [True, False]
        assert list(egressd.client.list_drift(mesh.name)) == []

        egressd.clear()
        assert restarted() == [False, True]
        assert {name: text for name, text in annotations(mesh).items() if name != RESTARTED} == own

        egressd.ctl("intercept", "set", "--exclude", "198.51.100.0/24", "-n", "team", "--wait", "applied")
        assert restarted() == [True, False]
    web.await_ready()
    assert {name: text for name, text in annotations(mesh).items() if name != RESTARTED} == own
    [difference] = before.differences(mesh.saved_state())
    assert RESTARTED in difference, difference
    assert past(web) == [False, True]
