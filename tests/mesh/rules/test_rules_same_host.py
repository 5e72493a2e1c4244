"""Rules about entries for one host (EGR0109, EGR0130, EGR0701) and at one address (EGR0131)."""

from tests.mesh.harness.cluster.istio_objects import apply, delete, entry, labelled, next_second
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.run.run import eventually
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.rules.test_rules_entries import banner, strict

HOST, OTHER = "a.example.com", "b.example.com"
FIRST, SECOND = "203.0.113.101", "203.0.113.102"


@covers("EGR0109", "EGR0701")
def test_entries_of_one_namespace_merge_if_they_are_alike(mesh: Mesh, curl: Workload) -> None:
    """The port of the younger one exists only if resolution, labels and exportTo are those of the older one."""
    strict(mesh)
    second = f"http://{HOST}:8080/"
    apply(mesh, entry("a", HOST, "80:HTTP", at=FIRST))
    like = entry("b", HOST, "8080:HTTP", at=FIRST)
    unlike = (
        labelled(like, {"app.kubernetes.io/managed-by": "mesh-egress"}),
        entry("b", HOST, "8080:HTTP", resolution="DNS"),
        entry("b", HOST, "8080:HTTP", at=FIRST, export_to=("*",)),
    )
    for other in unlike:
        next_second()
        apply(mesh, other)
        curl.until(lambda: curl.curl(second), lambda answer: answer.by_envoy and not answer.routed, "no port 8080")
        assert curl.curl(f"http://{HOST}/").routed
        delete(mesh, other)
        apply(mesh, like)
        curl.until(lambda: curl.curl(second), lambda answer: answer.routed, "port 8080")


@covers("EGR0130")
def test_entries_of_one_namespace_share_their_endpoints(mesh: Mesh, curl: Workload) -> None:
    """Requests go to the endpoints of both, even if the entries are not merged, or for different namespaces; the
    resolution is that of the older one."""
    url = f"http://{HOST}/"
    mine = entry("a", HOST, "80:HTTP", at=FIRST, export_to=("default",))
    theirs = entry("b", HOST, "80:HTTP", at=SECOND)

    def served_by() -> set[str]:
        return {curl.curl(url).headers.get("x-served-by", "") for _ in range(12)}

    for other in (theirs, labelled(theirs, {"team": "b"}), entry("b", HOST, "80:HTTP", at=SECOND, export_to=("shop",))):
        apply(mesh, mine)
        curl.until(lambda: curl.curl(url), lambda answer: answer.headers.get("x-served-by") == f"{FIRST}:80", "alone")
        next_second()
        apply(mesh, other)
        eventually(lambda: served_by() == {f"{FIRST}:80", f"{SECOND}:80"}, "both", 20)
        delete(mesh, mine, other)
    mesh.world.name(HOST, FIRST)
    apply(mesh, entry("a", HOST, "80:HTTP", resolution="NONE"))
    curl.until(lambda: curl.curl(url), lambda answer: answer.routed, "the original address")
    next_second()
    apply(mesh, theirs, entry("z", OTHER, "80:HTTP", at=SECOND))
    curl.until(lambda: curl.curl(f"http://{OTHER}/"), lambda answer: answer.routed, "a later entry")
    assert served_by() == {f"{FIRST}:80"}


@covers("EGR0131")
def test_of_two_hosts_at_one_address_the_older_gets_all(mesh: Mesh, curl: Workload) -> None:
    """The wrong database answers; TLS to the address goes to the older host as well."""
    apply(mesh, entry("a", HOST, "3306:TCP", at=FIRST, addresses=("203.0.113.109",)))
    mesh.world.name(OTHER, "203.0.113.109")
    curl.until(lambda: banner(curl, OTHER, 3306), lambda answer: FIRST in answer.body, "the first")
    apply(
        mesh,
        entry("b", OTHER, "3306:TCP", at=SECOND, addresses=("203.0.113.109",)),
        entry("z", "c.example.com", "81:HTTP"),
    )
    eventually(lambda: "outbound|81||c.example.com" in curl.sandbox.admin("/clusters"), "a later entry", 20)
    assert FIRST in banner(curl, OTHER, 3306).body
