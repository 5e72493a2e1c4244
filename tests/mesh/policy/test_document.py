"""The source document from start to end, as its reader would do it: egressctl, and curl in the pod."""

from collections.abc import Callable, Iterator

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.observed import Observer
from tests.mesh.harness.run.run import Run
from tests.mesh.harness.workload.workload import Workload
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
HTTP, HTTPS = "http://www.aliyun.com/", "https://www.aliyun.com/"
ENTRY = "meshes/default/namespaces/default/serviceEntries/aliyun-com-ext"
POLICY = "meshes/default/outboundPolicies/default"


@pytest.fixture
def egressd(run: Run, mesh: Mesh, curl: Workload, foreign_unchanged: Callable[[], None]) -> Iterator[Egressd]:
    """An egressd that drives the mesh, and an agent in its workload."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.agent(curl)
        yield egressd


@pytest.fixture
def pod(egressd: Egressd, curl: Workload) -> Observer:
    """The pod of the document, which has no policy yet."""
    return Observer(egressd, curl)


def test_the_document(
    egressd: Egressd, pod: Observer, mesh: Mesh, curl: Workload, foreign_unchanged: Callable[[], None]
) -> None:
    """Each of its answers comes, by curl as by probe; afterwards the cluster is as it was."""
    _allow_any(egressd, pod)
    _registry_only(egressd, pod, curl)
    _service_entry(egressd, pod)
    _virtual_service(egressd, pod)
    _interception(egressd, pod, mesh, curl)
    egressd.deregister(mesh.name)
    foreign_unchanged()
    curl.recreate()


def _allow_any(egressd: Egressd, pod: Observer) -> None:
    """ "Set the outbound traffic policy to ALLOW_ANY"."""
    egressd.ctl("outbound", "set", "ALLOW_ANY", "--wait", "applied")
    http = pod.sees(HTTP, "PASSTHROUGH", 301, by=POLICY)
    assert http.routed
    assert pod.sees(HTTPS, "PASSTHROUGH", 200).headers["server"] == "Tengine"


def _registry_only(egressd: Egressd, pod: Observer, curl: Workload) -> None:
    """ "Without a ServiceEntry, requests to external services are rejected"."""
    egressd.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "verified")
    http = pod.sees(HTTP, "BLOCKED", 502, by=POLICY)
    assert http.headers["server"] == "envoy"
    assert http.headers["transfer-encoding"] == "chunked"
    pod.sees(HTTPS, "BLOCKED", 0)
    assert curl.https("www.aliyun.com").exit == 35


def _service_entry(egressd: Egressd, pod: Observer) -> None:
    """ "Step 1: Create a ServiceEntry", from the document's YAML."""
    egressd.ctl("entry", "upsert", "-f", str(EXAMPLES / "aliyun-serviceentry.yaml"), "--wait", "verified")
    assert pod.sees(HTTP, "REGISTERED", 301, by=ENTRY).routed
    assert pod.sees(HTTPS, "REGISTERED", 200, by=ENTRY).headers["server"] == "Tengine"
    pod.sees("http://www.example.com/", "BLOCKED", 502)


def _virtual_service(egressd: Egressd, pod: Observer) -> None:
    """ "Step 2 (optional): Create a VirtualService", from the document's YAML; TLS is opaque to it."""
    egressd.ctl("fault", "inject", "-f", str(EXAMPLES / "aliyun-virtualservice.yaml"), "--wait", "applied")
    slow = pod.sees(HTTP, "FAULTED", 301)
    assert slow.seconds == pytest.approx(5, abs=0.5)
    assert pod.sees(HTTPS, "REGISTERED", 200).seconds < 2
    egressd.ctl("fault", "clear", "aliyun-com-ext", "--wait", "applied")
    assert pod.sees(HTTP, "REGISTERED", 301).seconds < 2


def _interception(egressd: Egressd, pod: Observer, mesh: Mesh, curl: Workload) -> None:
    """ "Scope sidecar interception by CIDR block": only the cluster's own services go through the sidecar."""
    egressd.ctl("intercept", "set", "--include", "SERVICE_CIDRS", "--wait", "applied")
    pod.sees(HTTP, "REGISTERED", 301, agrees=False)  # the pod keeps its rules until it is recreated
    assert "default/curl" in egressd.ctl("cluster", "stale", mesh.name).stdout
    curl.recreate()
    assert pod.sees(HTTP, "BYPASSED", 301).headers["server"] == "Tengine"
    service = mesh.get("service", "catalog", "-n", "shop")["spec"]["clusterIP"]
    assert curl.curl(f"http://{service}/").routed

    egressd.ctl("intercept", "set", "--exclude", "203.0.113.0/24", "--wait", "applied")
    curl.recreate()
    pod.sees(HTTP, "REGISTERED", 301)
    assert pod.sees("http://www.example.com/", "BYPASSED", 301).headers["server"] == "Tengine"
