"""Rules of faults (EGR02xx) and of routes: the bad case by kubectl, and what curl in the workload then sees."""

from tests.mesh.harness.cluster.istio_objects import abort, apply, delay, delete, entry, virtual_service
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.workload.workload import Workload

HOST, AT = "a.example.com", "203.0.113.101"
HTTP = f"http://{HOST}/"


@covers("EGR0201", "EGR0601")
def test_a_fault_on_tls_does_nothing(mesh: Mesh, curl: Workload) -> None:
    """Matching port 443 or not: plain HTTP is disturbed, TLS never."""
    routes = ({"fault": abort(httpStatus=503), "match": [{"port": 443}]}, {"fault": abort(httpStatus=418)})
    apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, *routes))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the fault on HTTP")
    assert curl.https(HOST).status == 200


@covers("EGR0202")
def test_a_fault_without_an_entry_leads_nowhere(mesh: Mesh, curl: Workload) -> None:
    """Under ALLOW_ANY, where the host was reached before: 503 after the delay; a wildcard's entry is not enough."""
    assert curl.curl(HTTP).routed
    apply(mesh, virtual_service("a", HOST, {"fault": delay(1)}))
    lost = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "503")
    assert lost.lasted(1)
    apply(mesh, entry("a", "*.example.com", "80:HTTP", resolution="NONE"))
    assert curl.curl(HTTP).status == 503
    apply(mesh, entry("b", HOST, "80:HTTP", at=AT))
    assert curl.until(lambda: curl.curl(HTTP), lambda answer: answer.routed, "the entry").lasted(1)


@covers("EGR0203")
def test_a_timeout_does_not_bound_a_delay(mesh: Mesh, curl: Workload) -> None:
    """Its clock starts after the delay; a slow server it does cut off."""
    apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, {"fault": delay(2), "timeout": "1s"}))
    slow = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.lasted(2), "the delay")
    assert slow.routed
    mesh.world.behave(HOST, delay=3)
    assert curl.curl(HTTP).status == 504


@covers("EGR0204")
def test_a_grpc_abort_looks_like_success(mesh: Mesh, curl: Workload) -> None:
    """To a client that does not speak gRPC it is a 200 without the status."""
    apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, {"fault": abort(grpcStatus="UNAVAILABLE")}))
    answer = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 200, "the abort")
    assert "grpc-status" not in answer.headers
    grpc = curl.curl(HTTP, "-H", "content-type: application/grpc")
    assert (grpc.status, grpc.headers["grpc-status"]) == (200, "14")


@covers("EGR0205")
def test_a_fault_that_its_source_does_not_see(mesh: Mesh, curl: Workload) -> None:
    """Exported as the entry is, to its own namespace, it disturbs no other namespace."""
    match = {"match": [{"sourceNamespace": "default"}], "fault": abort(httpStatus=418)}
    seen = virtual_service("a", HOST, match, {}, namespace="shop")
    hidden = virtual_service("a", HOST, match, {}, namespace="shop", exportTo=["."])
    apply(mesh, entry("a", HOST, namespace="shop", at=AT), seen)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the fault")
    apply(mesh, entry("a", HOST, namespace="shop", at=AT, export_to=(".",)), hidden)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 301, "no fault")


@covers("EGR0605", "EGR0704")
def test_one_virtual_service_for_a_host(mesh: Mesh, curl: Workload) -> None:
    """Only the oldest applies, whatever its namespace; an exact host comes before a wildcard."""
    first = virtual_service("a", HOST, {"fault": abort(httpStatus=418)}, namespace="shop")
    second = virtual_service("b", HOST, {"fault": abort(httpStatus=503)})
    apply(mesh, entry("a", HOST, at=AT), first, second)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the older one")
    delete(mesh, first)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "the younger one")
    wide = virtual_service("a", "*.example.com", {"fault": abort(httpStatus=418)}, namespace="shop")
    apply(mesh, wide)
    apply(mesh, entry("c", "c.example.com", at=AT))
    curl.until(lambda: curl.curl("http://c.example.com/"), lambda answer: answer.status == 418, "the wildcard")
    assert curl.curl(HTTP).status == 503
