"""A policy holds where its scope says: for the mesh, a namespace, some workloads; the narrower comes first."""

import json

import pytest

from tests.mesh.harness.cluster.api import Object
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.observed import Observer
from tests.mesh.harness.run.run import Run
from tests.mesh.harness.workload.workload import Workload

URL = "http://nobody.example.com/"
OPEN, CLOSED = True, False

Step = tuple[str, tuple[bool, bool, bool]]
STEPS: tuple[Step, ...] = (
    # what is done                                          curl    canary  team's
    ("outbound set REGISTRY_ONLY", (CLOSED, CLOSED, CLOSED)),
    ("outbound set ALLOW_ANY -n team", (CLOSED, CLOSED, OPEN)),
    ("outbound set ALLOW_ANY -n default --label app=canary", (CLOSED, OPEN, OPEN)),
    ("outbound set REGISTRY_ONLY -n team --label app=other", (CLOSED, OPEN, OPEN)),
    ("outbound set ALLOW_ANY", (OPEN, OPEN, OPEN)),
    ("outbound set REGISTRY_ONLY -n default --id in-default", (CLOSED, OPEN, OPEN)),
    ("outbound set REGISTRY_ONLY -n default --label app=canary", (CLOSED, CLOSED, OPEN)),
    ("outbound delete default", (CLOSED, CLOSED, OPEN)),
    ("outbound delete in-default", (OPEN, CLOSED, OPEN)),
)


def await_reach(workload: Workload, url: str, is_open: bool, after: str) -> None:
    """Until the workload reaches a host, or does not: it gets a 502, or is cut if it sees no HTTP service."""
    said = (301,) if is_open else (502, 0)
    workload.until(lambda: workload.curl(url), lambda answer: answer.status in said, f"{said} after {after}")


def test_each_scope(run: Run, mesh: Mesh, curl: Workload, subtests: pytest.Subtests) -> None:
    """Set in any order, and taken away again; what is left afterwards is what was there before."""
    mesh.namespace("team")
    canary, team = mesh.workload("canary"), mesh.workload("teamster", "team")
    before = mesh.saved_state()
    with Egressd(run) as egressd:
        egressd.register(mesh)
        for workload in (curl, team):
            egressd.agent(workload)
        for words, expected in STEPS:
            with subtests.test(words):
                egressd.ctl(*words.split(), "--wait", "applied")
                for workload, is_open in zip((curl, canary, team), expected, strict=True):
                    await_reach(workload, URL, is_open, words)
        Observer(egressd, team).sees(URL, "PASSTHROUGH", 301)
    assert before.differences(mesh.saved_state()) == []


def test_an_entry_is_for_those_it_is_exported_to(run: Run, mesh: Mesh, curl: Workload) -> None:
    """Its own namespace by `.`, all by `*`; explain predicts it."""
    mesh.namespace("team")
    team = mesh.workload("teamster", "team")
    with Egressd(run) as egressd:
        egressd.register(mesh)
        for workload in (curl, team):
            egressd.agent(workload)
        egressd.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "applied")
        upsert = ("entry", "upsert", "api", "--host", "api.example.com", "--port", "80:HTTP", "-n", "team")
        egressd.ctl(*upsert, "--export-to", ".", "--wait", "applied")
        url = "http://api.example.com/"
        Observer(egressd, team).sees(url, "REGISTERED", 301)
        Observer(egressd, curl).sees(url, "BLOCKED", 502)
        egressd.ctl(*upsert, "--export-to", "*", "--wait", "applied")
        Observer(egressd, curl).sees(url, "REGISTERED", 301)


def _foreign_sidecar(egress: str) -> Object:
    meta = {"name": "theirs", "namespace": "team"}
    spec = {"egress": [{"hosts": [egress, "istio-system/*"]}]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": spec}


@pytest.fixture
def team(mesh: Mesh) -> Workload:
    """A workload of a namespace whose own, unmanaged Sidecar shows it only its own namespace."""
    mesh.namespace("team")
    mesh.put(_foreign_sidecar("./*"))
    return mesh.workload("teamster", "team")


def test_a_sidecar_without_a_mode_lets_its_namespace_escape(
    run: Run, mesh: Mesh, curl: Workload, team: Workload
) -> None:
    """With only the root Sidecar MeshConfig applies to such a namespace, which is reported as a policy gap."""
    with Egressd(run) as egressd:
        egressd.register(mesh, "--mesh-policy", "sidecar")
        egressd.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "applied")
        await_reach(curl, URL, CLOSED, "REGISTRY_ONLY in the root Sidecar")
        await_reach(team, URL, OPEN, "REGISTRY_ONLY in the root Sidecar")
        assert "team" in egressd.ctl("cluster", "gaps", mesh.name).stdout
        egressd.ctl("outbound", "set", "REGISTRY_ONLY", "-n", "team", "--wait", "applied")
        await_reach(team, URL, CLOSED, "REGISTRY_ONLY for the namespace")


def test_a_managed_sidecar_hides_what_the_replaced_one_hid(run: Run, mesh: Mesh, team: Workload) -> None:
    """It replaces the foreign one, so it copies its settings and follows them. Then the foreign one applies again."""
    url = "http://api.example.com/"
    before = mesh.saved_state()
    with Egressd(run) as egressd:
        egressd.register(mesh)
        entry = ("entry", "upsert", "api", "--host", "api.example.com", "--port", "80:HTTP", "-n", "shop")
        egressd.ctl(*entry, "--wait", "applied")
        egressd.ctl("outbound", "set", "REGISTRY_ONLY", "-n", "team", "--label", "app=teamster", "--wait", "applied")
        await_reach(team, url, CLOSED, "a managed Sidecar that hides other namespaces too")
        mesh.put(_foreign_sidecar("*/*"))
        await_reach(team, url, OPEN, "theirs widened")
        mesh.put(_foreign_sidecar("./*"))
        await_reach(team, url, CLOSED, "theirs narrowed")
    assert before.differences(mesh.saved_state()) == []


@pytest.mark.parametrize("how", ["apply", "apply --server-side"])
def test_a_policy_for_a_namespace_goes_into_its_own_sidecar(run: Run, mesh: Mesh, team: Workload, how: str) -> None:
    """No second Sidecar is made, and the one that is theirs is given back as it was, whoever keeps it how."""
    mesh.kubectl("delete", "sidecar", "theirs", "-n", "team")
    mesh.kubectl(*how.split(), "-f", "-", stdin=json.dumps(_foreign_sidecar("./*")))
    before = mesh.saved_state()
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.ctl("outbound", "set", "REGISTRY_ONLY", "-n", "team", "--wait", "applied")
        await_reach(team, URL, CLOSED, "REGISTRY_ONLY for the namespace")
        [sidecar] = mesh.get("sidecars", "-n", "team")["items"]
        assert sidecar["spec"]["egress"] == _foreign_sidecar("./*")["spec"]["egress"]
        assert sidecar["spec"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert before.differences(mesh.saved_state()) == []
    await_reach(team, URL, OPEN, "the policy is gone")
