"""Rules about what MeshConfig, revisions and unmanaged DestinationRules do to entries (EGR0710 to EGR0714)."""

from tests.mesh.harness.cluster.istio_objects import apply, delete, destination_rule, entry, labelled
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.rules.test_rules_entries import strict

HOST, AT = "a.example.com", "203.0.113.101"
HTTP = f"http://{HOST}/"
NAME = "kubernetes.io/metadata.name"


def registered(curl: Workload) -> None:
    """Wait until the entry exists for the workload."""
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.routed, "the entry")


def unregistered(curl: Workload) -> None:
    """Wait for the 502 of REGISTRY_ONLY, or for a reset if nothing else is HTTP on the port."""
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status in {0, 502}, "nothing")


@covers("EGR0710")
def test_istiod_does_not_read_every_namespace(mesh: Mesh, curl: Workload) -> None:
    """An entry in a namespace that no discovery selector matches does not exist."""
    strict(mesh)
    apply(mesh, entry("a", HOST, namespace="shop", at=AT))
    registered(curl)
    watched = {"key": NAME, "operator": "In", "values": ["default", "istio-system"]}
    mesh.set_mesh_config(discoverySelectors=[{"matchExpressions": [watched]}])
    unregistered(curl)


@covers("EGR0711")
def test_tls_by_a_rule_for_a_wildcard(mesh: Mesh, curl: Workload) -> None:
    """Plain HTTP is sent as TLS and fails, and so does TLS within TLS."""
    apply(mesh, entry("a", HOST, at=AT))
    registered(curl)
    assert curl.https(HOST).status == 200
    apply(mesh, destination_rule("theirs", "*.example.com", {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}}))
    hasty = ("--max-time", "2")
    curl.until(lambda: curl.curl(HTTP, *hasty), lambda answer: answer.status in {0, 503}, "TLS to a plain server")
    assert curl.https(HOST).exit in {28, 35}


@covers("EGR0715")
def test_of_two_rules_for_a_host_one_applies(mesh: Mesh, curl: Workload) -> None:
    """The TLS origination of the younger one has no effect: plain HTTP is sent to the TLS port."""
    made = entry("a", HOST, "80:HTTP", at=AT)
    made["spec"]["ports"][0]["targetPort"] = 443
    tls = {"mode": "SIMPLE", "insecureSkipVerify": True}
    ours = destination_rule("b", HOST, {"portLevelSettings": [{"port": {"number": 80}, "tls": tls}]})
    apply(mesh, made, ours)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 200, "TLS")
    delete(mesh, ours)
    apply(mesh, destination_rule("a", HOST, {"connectionPool": {"tcp": {"maxConnections": 7}}}), ours)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "no TLS")


@covers("EGR0712")
def test_visibility_comes_before_export_to(mesh: Mesh, curl: Workload) -> None:
    """An entry exported to all is not seen outside its namespace."""
    strict(mesh)
    apply(mesh, entry("a", HOST, namespace="shop", at=AT, export_to=("*",)))
    registered(curl)
    mesh.set_mesh_config(serviceEntryVisibility={"applyToSidecars": True, "defaultVisibility": "NAMESPACE"})
    unregistered(curl)


@covers("EGR0714")
def test_an_entry_of_another_revision(mesh: Mesh, curl: Workload) -> None:
    """It does not exist for sidecars of this one."""
    strict(mesh)
    mine = entry("a", HOST, at=AT)
    apply(mesh, labelled(mine, {"istio.io/rev": "default"}))
    registered(curl)
    apply(mesh, labelled(mine, {"istio.io/rev": "canary"}))
    unregistered(curl)
    delete(mesh, mine)
