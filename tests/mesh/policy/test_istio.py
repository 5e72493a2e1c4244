"""What real Istio answers, by kubectl and curl alone: the ground that everything else here stands on."""

import pytest

from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import Workload
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
HOST = "www.aliyun.com"
HTTP = f"http://{HOST}/"
ENTRY = (EXAMPLES / "aliyun-serviceentry.yaml").read_text()
DELAY = (EXAMPLES / "aliyun-virtualservice.yaml").read_text()
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: strict, namespace: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
"""


def _routed(answer: Answer) -> bool:
    return answer.status == 301 and answer.routed


def _registry_only(mesh: Mesh, curl: Workload) -> Answer:
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    return curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 502, "502")


def _assert_tls_as_it_is(curl: Workload) -> None:
    https = curl.https(HOST)
    assert (https.exit, https.status, https.headers["server"]) == (0, 200, "Tengine")


def test_allow_any_passes_both(curl: Workload) -> None:
    """Without a policy plain HTTP passes Envoy's router and TLS passes as it is."""
    assert _routed(curl.curl(HTTP))
    _assert_tls_as_it_is(curl)


def test_registry_only_answers_502_and_cuts_tls(mesh: Mesh, curl: Workload) -> None:
    """Without an entry the document's 502 comes, and curl's exit code 35."""
    answer = _registry_only(mesh, curl)
    assert answer.headers["server"] == "envoy"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert curl.https(HOST).exit == 35


def test_the_documents_entry_opens_both(mesh: Mesh, curl: Workload) -> None:
    """The document's ServiceEntry makes REGISTRY_ONLY let its host through."""
    _registry_only(mesh, curl)
    mesh.apply(ENTRY)
    curl.until(lambda: curl.curl(HTTP), _routed, "301 by the entry")
    _assert_tls_as_it_is(curl)


def test_the_documents_delay_holds_for_http_only(mesh: Mesh, curl: Workload) -> None:
    """Five seconds for plain HTTP; TLS is opaque to the sidecar."""
    mesh.apply(ENTRY + "\n---\n" + DELAY)
    slow = curl.until(lambda: curl.curl(HTTP), lambda answer: answer.seconds > 4, "the delay")
    assert slow.status == 301
    assert slow.seconds == pytest.approx(5, abs=0.5)
    assert curl.https(HOST).seconds < 1


def test_an_abort_holds_for_http_only(mesh: Mesh, curl: Workload) -> None:
    """503 for plain HTTP; TLS is opaque to the sidecar."""
    abort = DELAY.replace("delay:", "abort:").replace("percent: 100", "percentage: {value: 100}")
    mesh.apply(ENTRY + "\n---\n" + abort.replace("fixedDelay: 5s", "httpStatus: 503"))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "the abort")
    _assert_tls_as_it_is(curl)


def test_a_sidecar_beats_the_mesh(mesh: Mesh, curl: Workload) -> None:
    """REGISTRY_ONLY in a namespace's Sidecar holds though the mesh allows any."""
    mesh.apply(SIDECAR)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 502, "502")
    assert curl.https(HOST).exit == 35


def test_an_entry_of_another_namespace_is_seen(mesh: Mesh, curl: Workload) -> None:
    """Entries are exported to all namespaces unless they say otherwise."""
    _registry_only(mesh, curl)
    mesh.kubectl("apply", "-n", "shop", "-f", "-", stdin=ENTRY)
    curl.until(lambda: curl.curl(HTTP), _routed, "301 by the entry")
    _assert_tls_as_it_is(curl)


def test_one_tcp_entry_without_addresses_takes_all_of_its_port(mesh: Mesh, curl: Workload) -> None:
    """Two databases on one port: the second one's traffic lands on the first one."""
    mesh.world.name("db-a.example.com", "203.0.113.101")
    mesh.world.name("db-b.example.com", "203.0.113.102")

    def served() -> str:
        return curl.curl("telnet://db-b.example.com:3306", "--max-time", "1", head=False).body

    assert "203.0.113.102" in served()
    mesh.apply("""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: db-a, namespace: default}
        spec:
          hosts: [db-a.example.com]
          ports: [{number: 3306, name: tcp, protocol: TCP}]
          resolution: DNS
    """)
    taken = curl.until(
        lambda: curl.curl("telnet://db-b.example.com:3306", "--max-time", "1", head=False),
        lambda answer: "203.0.113.101" in answer.body,
        "the wrong database",
    )
    assert "hello" in taken.body
    assert mesh.world.connections(3306)[-1] == "203.0.113.101"
