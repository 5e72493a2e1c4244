"""Rules of service entries (EGR01xx): the bad case by kubectl, and what curl in the workload then sees."""

import pytest

from tests.mesh.harness.cluster.istio_objects import apply, delete, entry
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.run.run import NotReady
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import Workload

HOST, OTHER = "a.example.com", "b.example.com"
FIRST, SECOND, RANGE = "203.0.113.101", "203.0.113.102", "203.0.113.0/24"


def strict(mesh: Mesh) -> None:
    """REGISTRY_ONLY by MeshConfig."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})


def banner(curl: Workload, host: str, port: int) -> Answer:
    """What the server at the other end says first, within a second."""
    return curl.curl(f"telnet://{host}:{port}", "--max-time", "1", head=False)


@covers("EGR0101")
def test_of_two_protocols_the_older_entrys_holds(mesh: Mesh, curl: Workload) -> None:
    """The younger one is ignored without a word, until the older is gone."""
    url = f"http://{HOST}:8080/"
    older, younger = entry("a", HOST, "8080:HTTP", at=FIRST), entry("b", HOST, "8080:TCP", at=FIRST)
    apply(mesh, younger)
    curl.until(lambda: curl.curl(url), lambda answer: answer.headers.get("x-served-by") == f"{FIRST}:8080", "TCP")
    assert not curl.curl(url).by_envoy
    apply(mesh, older)
    curl.until(lambda: curl.curl(url), lambda answer: answer.by_envoy, "HTTP by the older entry")
    delete(mesh, older)
    curl.until(lambda: curl.curl(url), lambda answer: not answer.by_envoy, "TCP again")


@covers("EGR0102", "EGR0106", "EGR0303", "EGR0603", "EGR0702")
def test_tcp_without_addresses_takes_its_port(mesh: Mesh, curl: Workload) -> None:
    """A database that ALLOW_ANY let pass lands on another one's host, also once it has an entry of its own; with
    addresses the two are distinguished."""
    mesh.world.name(HOST, FIRST)
    mesh.world.name(OTHER, SECOND)
    assert SECOND in banner(curl, OTHER, 3306).body
    apply(mesh, entry("a", HOST, "3306:TCP"), entry("b", OTHER, "3306:TCP"))
    curl.until(lambda: banner(curl, OTHER, 3306), lambda answer: FIRST in answer.body, "the wrong database")
    strict(mesh)
    curl.until(lambda: curl.curl("http://c.example.com/"), lambda answer: answer.status == 502, "REGISTRY_ONLY")
    assert FIRST in banner(curl, "c.example.com", 3306).body
    apply(
        mesh,
        entry("a", HOST, "3306:TCP", addresses=(FIRST,)),
        entry("b", OTHER, "3306:TCP", addresses=(SECOND,)),
    )
    curl.until(lambda: banner(curl, OTHER, 3306), lambda answer: SECOND in answer.body, "the right database")
    assert FIRST in banner(curl, HOST, 3306).body
    assert "hello" not in banner(curl, "c.example.com", 3306).body


@covers("EGR0121", "EGR0122")
@pytest.mark.parametrize(("protocol", "speaks"), [("MYSQL", True), ("REDIS", True), ("MONGO", True), ("", False)])
def test_a_database_speaks_first_unless_the_sidecar_detects(
    mesh: Mesh, curl: Workload, protocol: str, speaks: bool
) -> None:
    """Database protocols are TCP to the sidecar; without a protocol it waits for the client, like the database, and
    reads HTTP as such."""
    mesh.world.name(HOST, FIRST)
    apply(mesh, entry("a", HOST, f"3306:{protocol}", resolution="DNS"), entry("b", OTHER, "80:HTTP", at=SECOND))
    strict(mesh)
    curl.until(lambda: curl.curl(f"http://{OTHER}/"), lambda answer: answer.by_envoy, "the entries")
    curl.until(lambda: curl.curl("http://c.example.com/"), lambda answer: answer.status == 502, "REGISTRY_ONLY")
    assert (FIRST in banner(curl, HOST, 3306).body) is speaks
    assert curl.curl(f"http://{HOST}:3306/").by_envoy is not speaks


@covers("EGR0123")
def test_static_without_endpoints_answers_503(mesh: Mesh, curl: Workload) -> None:
    """Istio accepts the entry; its cluster has no address."""
    apply(mesh, entry("a", HOST, "80:HTTP", resolution="STATIC"))
    curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.status == 503 and answer.by_envoy, "503")


@covers("EGR0103")
def test_istio_refuses_a_wildcard_for_dns(mesh: Mesh) -> None:
    """DNS has no address for a wildcard."""
    with pytest.raises(NotReady, match="no endpoints are provided for resolution mode DNS"):
        apply(mesh, entry("a", "*.example.com"))


@covers("EGR0104")
def test_istio_refuses_dynamic_dns_for_tcp(mesh: Mesh) -> None:
    """DYNAMIC_DNS takes the host from the request; TCP names none."""
    with pytest.raises(NotReady, match="DYNAMIC_DNS"):
        apply(mesh, entry("a", "*.example.com", "3306:TCP", resolution="DYNAMIC_DNS"))
    apply(mesh, entry("a", "*.example.com", "80:HTTP", resolution="DYNAMIC_DNS"))


@covers("EGR0105")
def test_loopback_leads_back_into_the_pod(mesh: Mesh, curl: Workload) -> None:
    """An endpoint at 127.0.0.1 hands out the sidecar's own admin port under an external name."""
    inward = entry("a", HOST, "80:HTTP", at="127.0.0.1")
    inward["spec"]["endpoints"][0]["ports"] = {"http-80": 15000}
    apply(mesh, inward)
    asked = curl.until(
        lambda: curl.curl(f"http://{HOST}/server_info", head=False), lambda answer: answer.status == 200, "its admin"
    )
    assert "command_line_options" in asked.body


@covers("EGR0107")
def test_an_http_port_is_http_for_all(mesh: Mesh, curl: Workload) -> None:
    """A database on a port that is declared HTTP elsewhere hangs, with an entry of its own or without; HTTP to
    other hosts gets 502 under REGISTRY_ONLY. TLS on the port is not disturbed."""
    assert "hello" in banner(curl, OTHER, 3306).body
    database = entry("b", OTHER, "3306:TCP", at=SECOND)
    apply(mesh, entry("a", HOST, "3306:HTTP", "8080:HTTP", "8443:HTTP", at=FIRST), database)
    curl.until(lambda: banner(curl, OTHER, 3306), lambda answer: "hello" not in answer.body, "silence")
    apply(mesh, entry("c", "c.example.com", "8443:TLS", at=SECOND))
    tls = curl.until(lambda: curl.https("c.example.com:8443"), lambda a: f"{SECOND}:8443" in a.headers.values(), "TLS")
    assert tls.status == 200
    strict(mesh)
    curl.until(lambda: curl.curl(f"http://{OTHER}:8080/"), lambda answer: answer.status == 502, "502 on the port")
    assert curl.curl(f"http://{OTHER}:9080/").status == 0


@covers("EGR0108")
def test_http_on_443_registers_no_tls(mesh: Mesh, curl: Workload) -> None:
    """HTTPS to the host goes where DNS says, past its endpoint, and is cut under REGISTRY_ONLY; that of other hosts is
    not disturbed."""
    host = "www.example.org"
    plain, other = entry("a", host, "80:HTTP", "443:HTTP", at=FIRST), entry("b", OTHER, "443:TLS", at=SECOND)
    apply(mesh, plain, other)
    curl.until(lambda: curl.curl(f"http://{host}/"), lambda a: a.headers.get("x-served-by") == f"{FIRST}:80", "HTTP")
    assert curl.https(host).headers["x-served-by"] == "203.0.113.20:443"
    strict(mesh)
    curl.until(lambda: curl.https(host), lambda answer: answer.exit == 35, "no TLS")
    assert curl.https(OTHER).headers["x-served-by"] == f"{SECOND}:443"


def test_a_range_comes_before_http(mesh: Mesh, curl: Workload) -> None:
    """HTTP to an address that a TCP entry's range has is not seen as HTTP."""
    apply(mesh, entry("a", HOST, "8000:HTTP", at=FIRST), entry("b", OTHER, "8000:TCP", at=SECOND, addresses=(RANGE,)))
    within = curl.until(
        lambda: curl.curl(f"http://{HOST}:8000/"), lambda a: a.headers.get("x-served-by") == f"{SECOND}:8000", "TCP"
    )
    assert not within.by_envoy
    beyond = curl.curl(f"http://{HOST}:8000/", "--resolve", f"{HOST}:8000:198.51.100.7")
    assert (beyond.headers["x-served-by"], beyond.by_envoy) == (f"{FIRST}:8000", True)


def test_mongo_shares_no_port(mesh: Mesh, curl: Workload) -> None:
    """An older TCP entry keeps the port to itself, though the addresses are those of the other."""
    apply(mesh, entry("a", HOST, "3306:TCP", at=FIRST), entry("b", OTHER, "3306:MONGO", at=SECOND, addresses=(RANGE,)))
    curl.until(lambda: banner(curl, "c.example.com", 3306), lambda answer: FIRST in answer.body, "the older one")
    delete(mesh, entry("a", HOST))
    curl.until(lambda: banner(curl, "c.example.com", 3306), lambda answer: SECOND in answer.body, "the younger one")


@covers("EGR0109", "EGR0701")
def test_entries_of_different_namespaces_do_not_merge(mesh: Mesh, curl: Workload) -> None:
    """The client's own namespace takes the host with the ports it has, though its entry is the younger one."""
    strict(mesh)
    apply(mesh, entry("a", HOST, "80:HTTP", "8080:HTTP", namespace="shop", at=FIRST))
    wide = f"http://{HOST}:8080/"
    curl.until(lambda: curl.curl(wide), lambda answer: answer.routed, "port 8080")
    apply(mesh, entry("b", HOST, "80:HTTP", at=SECOND))
    curl.until(lambda: curl.curl(wide), lambda answer: not answer.routed, "no port 8080")
    narrow = curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.routed, "the younger entry")
    assert narrow.headers["x-served-by"] == f"{SECOND}:80"


@covers("EGR0109", "EGR0701")
def test_which_other_namespace_wins(mesh: Mesh, curl: Workload) -> None:
    """The oldest of the foreign ones, after one that names the client's namespace in exportTo, though it is younger."""
    apply(mesh, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}})
    apply(mesh, entry("a", HOST, "80:HTTP", namespace="shop", at=FIRST))
    apply(mesh, entry("b", HOST, "80:HTTP", namespace="lab", at=SECOND))

    def served_by(address: str) -> None:
        by = f"{address}:80"
        curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.headers.get("x-served-by") == by, by)

    served_by(FIRST)
    apply(mesh, entry("b", HOST, "80:HTTP", namespace="lab", at=SECOND, export_to=("default",)))
    served_by(SECOND)


@covers("EGR0110", "EGR0120", "EGR0602")
def test_an_entry_for_another_namespace_is_none(mesh: Mesh, curl: Workload) -> None:
    """Exported to its own namespace and a misspelt one, which Istio accepts, it does not exist for other namespaces."""
    strict(mesh)
    apply(mesh, entry("a", HOST, "80:HTTP", namespace="shop", at=FIRST))
    curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.routed, "the entry")
    apply(mesh, entry("a", HOST, "80:HTTP", namespace="shop", at=FIRST, export_to=(".", "defualt")))
    curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.status == 502, "502")


@covers("EGR0111")
def test_every_sidecar_resolves_every_dns_host(mesh: Mesh, curl: Workload) -> None:
    """Nothing has called the hosts, and the sidecar has their addresses."""
    apply(mesh, *(entry(f"a{n}", f"never-called-{n}.example.org", "80:HTTP") for n in range(5)))

    def resolved() -> Answer:
        return curl.curl("http://127.0.0.1:15000/clusters", head=False)

    lines = [f"outbound|80||never-called-{n}.example.org::203.0.113.20:80::" for n in range(5)]
    curl.until(resolved, lambda answer: all(line in answer.body for line in lines), "their addresses")
    assert mesh.world.seen("never-called-0.example.org") == []


def test_a_single_address_takes_all_that_is_dialled_there(mesh: Mesh, curl: Workload) -> None:
    """Its listener looks at nothing, so TLS to other names goes the same way; at other addresses it does not."""
    mesh.world.name(OTHER, FIRST)
    mesh.world.name("c.example.com", SECOND)
    strict(mesh)
    curl.until(lambda: curl.curl(f"https://{OTHER}/", "-k"), lambda answer: answer.status == 0, "REGISTRY_ONLY")
    apply(mesh, entry("a", HOST, "443:TLS", addresses=(FIRST,), at=FIRST))
    curl.until(lambda: curl.curl(f"https://{OTHER}/", "-k"), lambda answer: answer.status == 200, "taken along")
    assert curl.curl("https://c.example.com/", "-k").status == 0
