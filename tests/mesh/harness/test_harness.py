"""What the harness promises to other tests: admission, interception, controllers and faults as on a real cluster."""

import json
from collections.abc import Mapping

import httpx
import pytest

from tests.mesh.harness.cluster.api import path_of
from tests.mesh.harness.cluster.binaries import print_progress
from tests.mesh.harness.cluster.injection import included, try_pod
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import NotReady, eventually
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.harness.xds.client import AdsClient, Identity

URL = "http://www.example.com/"
INCLUDE = "traffic.sidecar.istio.io/includeOutboundIPRanges"
ANNOTATING_POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: annotate}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: 'Object{metadata: Object.metadata{annotations: {"%s": "%s"}}}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: annotate}
spec: {policyName: annotate}
"""
OWNER = """
apiVersion: apps/v1
kind: %s
metadata: {name: store, namespace: default}
spec:
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: app, image: x}]}
"""


def _included(mesh: Mesh, annotations: Mapping[str, str] | None = None) -> str:
    with mesh.api() as api:
        return included(try_pod(api, annotations))


def _captured(workload: Workload) -> bool:
    return workload.curl(URL).by_envoy


def test_a_dry_run_is_injected_by_istiod(mesh: Mesh) -> None:
    """A dry run shows what a new pod would get."""
    assert _included(mesh) == "*"
    assert _included(mesh, {INCLUDE: "10.0.0.0/8"}) == "10.0.0.0/8"


def test_the_injector_denies_a_bad_annotation(mesh: Mesh) -> None:
    """A bare address is not a range, and the API server rejects it."""
    with pytest.raises(RuntimeError, match="denied the request"):
        _included(mesh, {INCLUDE: "10.0.0.1"})


def test_istiods_validation_is_in_force(mesh: Mesh) -> None:
    """The API server does not store what istiod rejects."""
    bad = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: bad}, spec: {hosts: [x.y]}}"
    with pytest.raises(NotReady, match="admission webhook"):
        mesh.apply(bad)


def test_an_admission_policy_sets_annotations_before_the_injector_reads_them(mesh: Mesh) -> None:
    """Interception for one namespace or workload is based on this."""
    mesh.apply(ANNOTATING_POLICY % (INCLUDE, "10.9.0.0/16"))
    eventually(lambda: _included(mesh) == "10.9.0.0/16", "the policy in force")


def test_an_annotated_pod_is_captured_for_its_ranges_only(mesh: Mesh) -> None:
    """iptables come from the injected pod: an address outside the range goes around Envoy."""
    workload = mesh.workload("annotated", annotations={INCLUDE: mesh.services.v4})
    assert not _captured(workload)
    assert workload.curl(URL).headers["server"] == "Tengine"


def test_values_of_the_injector_hold_from_the_next_restart(mesh: Mesh) -> None:
    """A running pod keeps its rules; its successor gets the new ones."""
    workload = mesh.workload("restarted")
    mesh.set_injector_values(includeIPRanges=mesh.services.v4)
    eventually(lambda: _included(mesh) == mesh.services.v4, "the injector's new values")
    assert _captured(workload)
    before = workload.pod()["metadata"]["name"]
    workload.restart()
    assert workload.pod()["metadata"]["name"] != before
    assert not _captured(workload)


def test_a_namespace_without_injection_has_no_sidecar(mesh: Mesh) -> None:
    """Such a workload reaches the outside directly."""
    workload = mesh.workload("bare", "shop")
    assert workload.curl(URL).headers["server"] == "Tengine"


def test_a_stuck_rollout_keeps_the_old_pod(mesh: Mesh) -> None:
    """A new pod that never becomes ready does not take the old one's place."""
    workload = mesh.workload("stuck")
    before = workload.pod()["metadata"]["name"]
    mesh.kubelet.stick("default", "stuck")
    mesh.kubectl("rollout", "restart", "deployment/stuck")
    eventually(lambda: len(mesh.get("pods", "-l", "app=stuck")["items"]) == 2, "the new pod")
    status = eventually(lambda: mesh.get("deployment", "stuck")["status"].get("unavailableReplicas"), "its status")
    assert status == 1
    assert before in {pod["metadata"]["name"] for pod in mesh.get("pods", "-l", "app=stuck")["items"]}
    mesh.kubelet.unstick("default", "stuck")
    workload.await_ready()
    assert workload.pod()["metadata"]["name"] != before


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_owners_replace_their_pods(mesh: Mesh, kind: str) -> None:
    """A changed template brings a new injected pod, and the status tells when it is there."""
    manifest = OWNER % kind
    mesh.apply(manifest if kind == "StatefulSet" else manifest.replace("  serviceName: store\n", ""))
    mesh.kubectl("rollout", "status", f"{kind}/store", "--timeout=30s")
    [pod] = mesh.get("pods", "-l", "app=store")["items"]
    assert included(pod) == "*"
    mesh.kubectl("rollout", "restart", f"{kind}/store")
    mesh.kubectl("rollout", "status", f"{kind}/store", "--timeout=30s")
    [successor] = mesh.get("pods", "-l", "app=store")["items"]
    assert successor["metadata"]["uid"] != pod["metadata"]["uid"]


def test_the_api_server_stops_and_returns(mesh: Mesh, curl: Workload) -> None:
    """Whether it is down or hangs, it has its objects again afterwards, and sidecars are not affected."""
    with mesh.server.stopped(), mesh.api() as api:
        with pytest.raises(httpx.ConnectError):
            api.get("/version")
        assert _captured(curl)
    with mesh.server.frozen(), mesh.api() as api, pytest.raises(httpx.TimeoutException):
        api.get("/version", seconds=1)
    assert mesh.get("deployment", "curl")["metadata"]["name"] == "curl"


def test_a_stranger_has_no_rights(mesh: Mesh) -> None:
    """So missing permissions can be tested."""
    words = ("--kubeconfig", str(mesh.server.kubeconfig("stranger")), "auth", "can-i", "get", "pods")
    with pytest.raises(NotReady):
        mesh.kubectl(*words)


def test_meshes_share_nothing(meshes: list[Mesh]) -> None:
    """Each has service addresses of its own, and a policy for one leaves the other alone."""
    first, second = meshes
    with first.api() as one, second.api() as other:
        ranges = [
            api.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes")["spec"]["cidrs"] for api in (one, other)
        ]
    assert ranges == [[m.services.v4, m.services.v6] for m in meshes]
    first.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    blocked = first.workloads[0]
    blocked.until(lambda: blocked.curl(URL), lambda answer: answer.status == 502, "502")
    assert second.workloads[0].curl(URL).status == 301


def test_the_world_tells_what_arrived(mesh: Mesh, curl: Workload) -> None:
    """Requests are counted where they arrive, and answered as the test configures."""
    mesh.world.behave("flaky.example.com", status=503, times=1)
    assert [curl.curl("http://flaky.example.com/x").status for _ in range(2)] == [503, 301]
    assert [seen.path for seen in mesh.world.seen("flaky.example.com")] == ["/x", "/x"]
    assert curl.https("tls.example.com").status == 200
    assert mesh.world.seen("tls.example.com")[0].tls_name == "tls.example.com"


def test_what_changed_is_found(mesh: Mesh) -> None:
    """The comparison that other tests rely on sees objects that came and objects that changed."""
    before = mesh.saved_state()
    mesh.kubectl("annotate", "configmap", "istio", "-n", "istio-system", "touched=yes")
    mesh.kubectl("create", "namespace", "newcomer")
    found = before.differences(mesh.saved_state())
    assert any(line.startswith("changed: /api/v1/configmaps istio-system istio") for line in found)
    assert any(line.startswith("new: /api/v1/namespaces") for line in found)
    mesh.restore(before)
    with mesh.api() as api:
        assert api.find(path_of("Namespace") + "/newcomer") is None
    assert before.differences(mesh.saved_state()) == []


def test_istiod_sends_a_client_what_it_sends_to_the_sidecar_of_such_a_workload(mesh: Mesh, curl: Workload) -> None:
    """So what any workload would get is known without a pod."""
    identity = Identity(curl.namespace, "other", curl.pod()["metadata"]["labels"], curl.sandbox.addresses)
    with AdsClient(mesh.istiod_address, mesh.name, print_progress) as ads:
        sent = ads.configuration(identity)
    sent_names = {each["name"] for each in (*sent.clusters, *sent.listeners, *sent.routes)}
    held = map(json.loads, curl.sandbox.configuration().splitlines())
    assert {resource["name"] for part in held for resource in part.values() if "name" in resource} == sent_names
