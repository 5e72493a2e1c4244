"""Other clients change managed objects on a real mesh: it is detected, reported, and corrected or left."""

import json
from collections.abc import Iterator

import pytest

from egress import DriftedObject
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run, eventually
from tests.mesh.harness.workload.workload import Workload

HOST = "www.aliyun.com"
URL = f"http://{HOST}/"
ENTRY = ("serviceentry", "bank", "-n", "default")
CLOSED = {"mode": "REGISTRY_ONLY"}
SIDECAR = ("sidecar", "egress-default", "-n", "istio-system")


@pytest.fixture
def egressd(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Egressd]:
    """REGISTRY_ONLY with one entry, in effect."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.client.upsert_service_entry("bank", hosts=[HOST], ports=["80:HTTP:http"])
        egressd.client.set_outbound_policy("REGISTRY_ONLY").wait(until="applied")
        curl.until(lambda: curl.curl("http://other.example.com/"), lambda answer: answer.status == 502, "closed")
        curl.until(lambda: curl.curl(URL), lambda answer: answer.routed, "registered")
        yield egressd


def drifted(egressd: Egressd, kind: str, *, healed: bool = True) -> DriftedObject:
    """The newest drift of a kind of object, once it is there."""

    def found() -> list[DriftedObject]:
        drift = [each for each in egressd.client.list_drift() if each.kind == kind]
        return [each for each in drift if each.HasField("heal_time") is healed]

    return eventually(found, f"drift of a {kind}")[0]


def test_drift_is_reported_and_healed(egressd: Egressd, mesh: Mesh, curl: Workload) -> None:
    """By hand, by another field manager, by `helm upgrade`: the policy is back, and the client is reported."""
    before = mesh.get(*ENTRY)["spec"]
    mesh.kubectl("delete", *ENTRY)
    assert DriftedObject.Type.Name(drifted(egressd, "ServiceEntry").type) == "MISSING"
    assert mesh.get(*ENTRY)["spec"] == before
    curl.until(lambda: curl.curl(URL), lambda answer: answer.routed, "registered again")

    mesh.kubectl("patch", *ENTRY, "--type=merge", "-p", json.dumps({"spec": {"hosts": ["elsewhere.example.com"]}}))
    eventually(lambda: mesh.get(*ENTRY)["spec"] == before, "the entry as it was")
    changed = drifted(egressd, "ServiceEntry")
    assert (DriftedObject.Type.Name(changed.type), changed.manager) == ("CHANGED", "kubectl-patch")

    theirs = mesh.get(*SIDECAR)
    theirs["spec"] = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}
    theirs["metadata"] = {"name": "egress-default", "namespace": "istio-system"}
    forced = ("apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-f", "-")
    mesh.kubectl(*forced, stdin=json.dumps(theirs))
    eventually(lambda: mode(mesh) == "REGISTRY_ONLY", "the Sidecar as it was")
    assert drifted(egressd, "Sidecar").manager == "rival"

    mesh.helm("upgrade", "istiod", "istiod", mesh.istiod_values)
    eventually(
        lambda: mesh.mesh_config().get("outboundTrafficPolicy") == {"mode": "REGISTRY_ONLY"}, "MeshConfig's mode"
    )
    assert drifted(egressd, "MeshConfig").manager == "helm"
    curl.until(lambda: curl.curl("http://other.example.com/"), lambda answer: answer.status == 502, "closed again")
    shown = egressd.ctl("cluster", "drift", mesh.name).stdout
    assert "rival" in shown
    assert "helm" in shown


def test_drift_is_left_under_the_report_policy(egressd: Egressd, mesh: Mesh) -> None:
    """It is reported as not healed, other changes still go out, and with healing on again it is corrected."""
    egressd.ctl("mesh", "update", "--drift", "report")
    mesh.kubectl("patch", *ENTRY, "--type=merge", "-p", json.dumps({"spec": {"hosts": ["elsewhere.example.com"]}}))
    assert drifted(egressd, "ServiceEntry", healed=False).name == "bank"
    egressd.client.upsert_service_entry("other", hosts=["other.example.com"], ports=["80:HTTP:http"]).wait(
        until="applied"
    )
    assert mesh.get(*ENTRY)["spec"]["hosts"] == ["elsewhere.example.com"]
    egressd.ctl("mesh", "update", "--drift", "heal")
    eventually(lambda: mesh.get(*ENTRY)["spec"]["hosts"] == [HOST], "the entry as it was")


def mode(mesh: Mesh) -> str:
    """What the root namespace's Sidecar says."""
    policy: dict[str, str] = mesh.get(*SIDECAR)["spec"]["outboundTrafficPolicy"]
    return policy["mode"]
