"""Rules of traffic settings (EGR0112 to EGR0119, EGR0608): the bad case by kubectl, and what curl in the workload then
sees."""

from tests.mesh.harness.cluster.istio_objects import (
    apply,
    delete,
    destination_rule,
    entry,
    virtual_service,
)
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.workload.workload import Workload

HOST, OTHER = "a.example.com", "b.example.com"
AT, OTHER_AT = "203.0.113.101", "203.0.113.102"
HTTP = f"http://{HOST}/"
TO_TLS = {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE", "sni": HOST}}]}


def to_tls() -> dict[str, object]:
    """An entry whose port 80 leads to port 443."""
    made = entry("a", HOST, "80:HTTP", at=AT)
    made["spec"]["ports"][0]["targetPort"] = 443
    return made


@covers("EGR0112", "EGR0116")
def test_http_to_a_tls_port(mesh: Mesh, curl: Workload) -> None:
    """It fails without TLS; with TLS a certificate of an unknown authority is refused, unless verification is off."""
    apply(mesh, to_tls())
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "plain HTTP to TLS")
    apply(mesh, destination_rule("a", HOST, TO_TLS))
    curl.until(
        lambda: curl.curl(HTTP, head=False), lambda a: "remote connection failure" in a.body, "an unknown authority"
    )
    trusting = {"port": {"number": 80}, "tls": {"mode": "SIMPLE", "sni": HOST, "insecureSkipVerify": True}}
    apply(mesh, destination_rule("a", HOST, {"portLevelSettings": [trusting]}))
    passed = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 200, "any certificate")
    assert passed.headers["x-served-by"] == f"{AT}:443"


@covers("EGR0113")
def test_a_route_to_nowhere(mesh: Mesh, curl: Workload) -> None:
    """503 under ALLOW_ANY for a host or port that is not registered, with a wildcard's entry too; without a port it is
    that of the request, even if the host has only another."""

    def routed(**port: object) -> None:
        apply(mesh, virtual_service("a", HOST, {"route": [{"destination": {"host": OTHER, **port}}]}))

    apply(mesh, entry("a", HOST, "80:HTTP", at=AT))
    routed()
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "no such host")
    apply(mesh, entry("c", "*.example.com", "80:HTTP", resolution="NONE"))
    assert curl.curl(HTTP).status == 503
    apply(mesh, entry("b", OTHER, "8080:HTTP", at=OTHER_AT))
    other = f"http://{OTHER}:8080/"
    curl.until(lambda: curl.curl(other), lambda a: a.headers.get("x-served-by") == f"{OTHER_AT}:8080", "the other host")
    assert curl.curl(HTTP).status == 503
    routed(port={"number": 8080})
    taken = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.routed, "its port")
    assert taken.headers["x-served-by"] == f"{OTHER_AT}:8080"
    delete(mesh, entry("b", OTHER))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "deleted")


@covers("EGR0114")
def test_errors_inside_tls_are_not_counted(mesh: Mesh, curl: Workload) -> None:
    """By HTTP the only server is ejected after three errors; by TLS it goes on answering with errors."""
    outliers = {"consecutive5xxErrors": 3, "interval": "0.1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100}
    apply(mesh, entry("a", HOST, at=AT), destination_rule("a", HOST, {"outlierDetection": outliers}))
    mesh.world.behave(HOST, status=500)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503 and not answer.routed, "the ejection")
    apply(mesh, entry("b", OTHER, "443:TLS", at=OTHER_AT), destination_rule("b", OTHER, {"outlierDetection": outliers}))
    curl.until(lambda: curl.https(OTHER), lambda a: a.headers.get("x-served-by") == f"{OTHER_AT}:443", "the entry")
    mesh.world.behave(OTHER, status=500)
    assert [curl.https(OTHER).status for _ in range(8)] == [500] * 8


@covers("EGR0115")
def test_connect_needs_tcp(mesh: Mesh, curl: Workload) -> None:
    """The sidecar itself answers a CONNECT to a host that is declared HTTP; declared TCP, it reaches the proxy."""
    mesh.world.name(HOST, AT)
    asked = ("--noproxy", "", "--proxy", f"http://{HOST}:8080")
    apply(mesh, entry("a", HOST, "8080:HTTP", at=AT))
    curl.until(
        lambda: curl.curl("https://www.example.org/", *asked), lambda answer: "404" in answer.error, "404 to CONNECT"
    )
    before = len(mesh.world.connections(8080))
    assert "404" in curl.curl("https://www.example.org/", *asked).error
    assert len(mesh.world.connections(8080)) == before
    apply(mesh, entry("a", HOST, "8080:TCP", at=AT, addresses=(AT,)))
    curl.until(
        lambda: curl.curl("https://www.example.org/", *asked), lambda answer: "404" not in answer.error, "the proxy"
    )
    assert mesh.world.connections(8080)[before:] == [AT] * (len(mesh.world.connections(8080)) - before) != []


@covers("EGR0117")
def test_a_top_level_wildcard_opens_everything(mesh: Mesh, curl: Workload) -> None:
    """Under REGISTRY_ONLY each host below it is reached."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    curl.until(lambda: curl.https(HOST), lambda answer: answer.exit == 35, "REGISTRY_ONLY")
    apply(mesh, entry("a", "*.com", "443:TLS", resolution="NONE"))
    curl.until(lambda: curl.https(HOST), lambda answer: answer.status == 200, "a host below .com")
    assert curl.https(OTHER).status == 200


@covers("EGR0118")
def test_the_timeout_covers_all_tries(mesh: Mesh, curl: Workload) -> None:
    """A try that may take longer than the request is the only one; shorter ones are repeated."""
    mesh.world.behave(HOST, delay=5)

    def tries(per_try: str) -> int:
        retries = {"attempts": 2, "perTryTimeout": per_try, "retryOn": "5xx"}
        route = {"timeout": "2s", "retries": retries, "headers": {"request": {"set": {"x-try": per_try}}}}
        apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, route))

        curl.until(
            lambda: curl.curl(HTTP),
            lambda _: any(seen.headers.get("x-try") == per_try for seen in mesh.world.seen(HOST)),
            f"tries of {per_try}",
        )
        mesh.world.forget()
        mesh.world.behave(HOST, delay=5)
        assert curl.curl(HTTP).status == 504
        return len(mesh.world.seen(HOST))

    assert tries("4s") == 1
    assert tries("0.4s") == 3


@covers("EGR0119")
def test_the_first_of_equal_routes(mesh: Mesh, curl: Workload) -> None:
    """The second never gets a request."""
    match = {"match": [{"headers": {"x-tier": {"exact": "gold"}}}]}
    first = {**match, "route": [{"destination": {"host": OTHER}}]}
    apply(mesh, entry("a", HOST, "80:HTTP", at=AT), entry("b", OTHER, "80:HTTP", at=OTHER_AT))
    apply(mesh, virtual_service("a", HOST, first, match, {}))
    by = f"{OTHER_AT}:80"
    curl.until(
        lambda: curl.curl(HTTP, "-H", "x-tier: gold"),
        lambda answer: answer.headers.get("x-served-by") == by,
        "the first",
    )
    assert {curl.curl(HTTP, "-H", "x-tier: gold").headers["x-served-by"] for _ in range(8)} == {by}


@covers("EGR0207")
def test_aborts_are_not_retried(mesh: Mesh, curl: Workload) -> None:
    """With retries that would hide nearly all of them, about half of the requests fail."""
    fault = {"abort": {"percentage": {"value": 50}, "httpStatus": 503}}
    retries = {"retries": {"attempts": 6, "retryOn": "5xx"}}
    apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, {"fault": fault, **retries}))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "the fault")
    assert [curl.curl(HTTP).status for _ in range(24)].count(503) >= 4


@covers("EGR0608")
def test_a_timeout_does_nothing_for_tls(mesh: Mesh, curl: Workload) -> None:
    """HTTP is cut off, TLS to the same host takes as long as the server does."""
    apply(mesh, entry("a", HOST, at=AT), virtual_service("a", HOST, {"timeout": "1s"}))
    mesh.world.behave(HOST, delay=2)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 504, "the timeout")
    slow = curl.https(HOST)
    assert slow.status == 200
    assert slow.lasted(2)
