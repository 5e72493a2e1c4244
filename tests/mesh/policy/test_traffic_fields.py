"""Traffic settings as rendered, and what real Istio makes of them."""

from dataclasses import replace

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.resources import (
    HeaderMatch,
    HeaderOperations,
    MatchKind,
    Resolution,
    Resource,
    Route,
    StringMatch,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import Labels
from egress_server.domain.render import render
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.workload.workload import Workload
from tests.support.meshes import BIRTH, History, cluster, entry, fault, ports

HOST = "api.example.com"
URL = f"http://{HOST}"
UNVERIFIED = TlsOrigination(insecure_skip_verify=True)


def rendered(*resources: Resource) -> list[IstioObject]:
    """The objects of these resources."""
    here = cluster()
    return list(render(effective(History(here, *resources).snapshot, here, BIRTH)))


@pytest.mark.parametrize("host", [HOST, "*.example.com"])
@pytest.mark.parametrize(("labels", "answers"), [({}, True), ({"app": "curl"}, True), ({"app": "other"}, False)])
def test_tls_is_originated_to_the_dialled_address(
    mesh: Mesh, curl: Workload, host: str, labels: Labels, answers: bool
) -> None:
    """With resolution NONE the target port holds, also for a wildcard; labels select the workloads."""
    origination = replace(UNVERIFIED, match_labels=labels)
    api = entry(
        "api",
        hosts=(host,),
        ports=ports("80:HTTP:443"),
        resolution=Resolution.NONE,
        traffic=TrafficSettings(tls_origination=origination),
    )
    mesh.put(*rendered(api))
    curl.until(
        lambda: curl.curl(f"{URL}/"), lambda answer: (answer.status == 200) is answers and answer.by_envoy, "TLS"
    )


def test_faults_and_routes_by_path(mesh: Mesh, curl: Workload) -> None:
    """A fault on a path and method; a route by path changes the Host header, and the headers of the answer."""
    legacy = Route(
        (WeightedDestination(HOST),),
        match_uri=StringMatch(MatchKind.EXACT, "/legacy"),
        rewrite_authority="legacy.example.com",
        response_headers=HeaderOperations(set={"x-route": "legacy"}),
    )
    api = entry(
        "api",
        hosts=(HOST,),
        ports=ports("80:HTTP"),
        resolution=Resolution.DNS,
        traffic=TrafficSettings(routes=(legacy,)),
    )
    orders = fault(
        "orders",
        host=HOST,
        match_uri=StringMatch(MatchKind.PREFIX, "/orders"),
        match_method=StringMatch(MatchKind.EXACT, "HEAD"),
    )
    mesh.put(*rendered(api, orders))
    curl.until(lambda: curl.curl(f"{URL}/orders/1?a=b"), lambda answer: answer.status == 503, "the fault")
    assert curl.curl(f"{URL}/orders/1", head=False).status == 301
    assert curl.curl(f"{URL}/carts").status == 301
    legacy_answer = curl.curl(f"{URL}/legacy")
    assert legacy_answer.headers["x-route"] == "legacy"
    assert "legacy.example.com" in legacy_answer.headers["location"]


def test_a_fault_and_a_route_both_restrict_the_same_part(mesh: Mesh, curl: Workload) -> None:
    """Istio has one condition for each part of a request; the second one, on a header with the same content, counts."""
    canary = Route(
        (WeightedDestination(HOST),),
        (HeaderMatch("x-user", MatchKind.REGEX, ".*b"),),
        match_uri=StringMatch(MatchKind.REGEX, "/(orders|carts).*"),
        match_method=StringMatch(MatchKind.REGEX, "HEAD|GET"),
        match_authority=StringMatch(MatchKind.REGEX, "api.*"),
        response_headers=HeaderOperations(set={"x-route": "canary"}),
    )
    traffic = TrafficSettings(routes=(canary,))
    api = entry("api", hosts=(HOST,), ports=ports("80:HTTP"), resolution=Resolution.DNS, traffic=traffic)
    orders = fault(
        "orders",
        host=HOST,
        match_uri=StringMatch(MatchKind.PREFIX, "/orders"),
        match_method=StringMatch(MatchKind.PREFIX, "HE"),
        match_authority=StringMatch(MatchKind.PREFIX, HOST),
        match_headers=(HeaderMatch("x-user", MatchKind.REGEX, "a.*"),),
    )
    mesh.put(*rendered(api, orders))

    def status(path: str, user: str, *, head: bool = True) -> tuple[int, bool]:
        answer = curl.curl(f"{URL}{path}", "-H", f"x-user: {user}", head=head)
        return answer.status, answer.headers.get("x-route") == "canary"

    curl.until(lambda: curl.curl(f"{URL}/orders", "-H", "x-user: ab"), lambda answer: answer.status == 503, "the fault")
    assert status("/orders?q=1", "ab")[0] == 503
    assert status("/orders", "ab", head=False) == (301, True)
    assert status("/carts?/orders", "ab") == (301, True)
    assert status("/orders", "b") == (301, True)
    assert status("/orders", "a")[0] == 503
    assert status("/other", "ab") == (301, False)
