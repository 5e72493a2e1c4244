"""Traffic settings as rendered, and what real Istio makes of them."""

from dataclasses import replace

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.resources import (
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
