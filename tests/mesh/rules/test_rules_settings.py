"""Rules about settings of several entries of a host: objects by kubectl, and what curl in the workload then sees."""

from typing import Any

from tests.mesh.harness.cluster.istio_objects import abort, apply, delete, destination_rule, entry, virtual_service
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.workload.workload import Workload

HOST, AT = "a.example.com", "203.0.113.101"
HTTP = f"http://{HOST}/"
TLS = {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE", "insecureSkipVerify": True}}]}
LIMITS = {"connectionPool": {"tcp": {"maxConnections": 7}}}


def test_what_the_client_gets(mesh: Mesh, curl: Workload) -> None:
    """Of several VirtualServices: that of its own namespace which is not exported to all, then one that is exported to
    it by name, then the oldest of those exported to all."""
    wide = virtual_service("a", HOST, {"fault": abort(httpStatus=418)}, namespace="shop", exportTo=["*"])
    younger = virtual_service("b", HOST, {"fault": abort(httpStatus=425)}, exportTo=["*"])
    named = virtual_service("c", HOST, {"fault": abort(httpStatus=429)}, namespace="shop", exportTo=["default"])
    own = virtual_service("d", HOST, {"fault": abort(httpStatus=431)}, exportTo=["."])
    apply(mesh, entry("a", HOST, at=AT), wide, younger)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the oldest, not its own namespace's")
    apply(mesh, named)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 429, "the one exported by name")
    apply(mesh, own)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 431, "its own")


@covers("EGR0140", "EGR0142")
def test_settings_of_a_second_entry(mesh: Mesh, curl: Workload) -> None:
    """The younger entry's timeout does not apply to a client that gets the host elsewhere: not even that of an older
    entry, if the client's own namespace has one."""
    mesh.namespace("lab")
    mesh.world.behave(HOST, delay=2)
    slow = virtual_service("a", HOST, {"timeout": "9s"}, namespace="shop", exportTo=["*"])
    apply(mesh, entry("a", HOST, namespace="shop", at=AT), slow)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.lasted(2) and answer.routed, "the slow server")
    apply(mesh, virtual_service("b", HOST, {"timeout": "1s"}, namespace="lab", exportTo=["*"]))
    apply(mesh, entry("c", HOST, at=AT), virtual_service("c", HOST, {"timeout": "1s"}, exportTo=["."]))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 504, "its own entry's timeout")
    delete(mesh, virtual_service("c", HOST))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.lasted(2) and answer.routed, "no timeout")


@covers("EGR0715")
def test_two_rules_in_one_namespace(mesh: Mesh, curl: Workload) -> None:
    """Exported alike, the oldest one's settings apply; otherwise the youngest one that the client sees."""

    def rule(name: str, policy: dict[str, Any], *export_to: str) -> dict[str, Any]:
        made = destination_rule(name, HOST, policy)
        return {**made, "spec": {**made["spec"], "exportTo": list(export_to)}}

    tls = entry("a", HOST, at=AT)
    tls["spec"]["ports"][0]["targetPort"] = 443
    apply(mesh, tls, rule("a", LIMITS), rule("b", TLS))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "plain HTTP to 443")
    apply(mesh, rule("b", TLS, "*"))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 200, "TLS by the younger one")
    apply(mesh, rule("a", LIMITS, "*"))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 503, "plain HTTP to 443 again")
