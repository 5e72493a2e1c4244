"""What real Istio answers, by kubectl and curl alone: the ground that everything else here stands on."""

from collections.abc import Iterator

import pytest

from tests.mesh.mesh import Mesh
from tests.mesh.workload import Workload

HTTP = "http://www.aliyun.com/"


@pytest.fixture(autouse=True)
def _clean(mesh: Mesh) -> Iterator[None]:
    yield
    mesh.set_mesh_config(outboundTrafficPolicy=None)


def test_allow_any_passes_both(curl: Workload) -> None:
    """Without a policy plain HTTP passes Envoy's router and TLS passes as it is."""
    http = curl.curl(HTTP)
    assert (http.status, http.routed) == (301, True)
    assert curl.https("www.aliyun.com").headers["server"] == "Tengine"


def test_registry_only_answers_502_and_cuts_tls(mesh: Mesh, curl: Workload) -> None:
    """Without an entry the document's 502 comes, and curl's exit code 35."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    http = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 502, "the 502 of REGISTRY_ONLY")
    assert http.headers["server"] == "envoy"
    assert http.headers["transfer-encoding"] == "chunked"
    assert curl.https("www.aliyun.com").exit == 35
