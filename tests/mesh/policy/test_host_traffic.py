"""Settings and faults of several namespaces for one host: each reaches those who get the host from its entry."""

from collections.abc import Iterator

import pytest

from egress import TlsOrigination
from tests.mesh.harness.cluster.istio_objects import apply, destination_rule
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run
from tests.mesh.harness.workload.workload import Workload

HOST = "a.example.com"
HTTP = f"http://{HOST}/"
UPSERT = ("entry", "upsert", "mine", "--host", HOST, "--wait", "applied")


@pytest.fixture
def team(mesh: Mesh) -> Workload:
    """A workload of another namespace."""
    mesh.namespace("team")
    return mesh.workload("teamster", "team")


@pytest.fixture
def egressd(run: Run, mesh: Mesh) -> Iterator[Egressd]:
    """The server, with the mesh as its only cluster."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        yield egressd


def answers(workload: Workload, status: int, what: str) -> None:
    """Until the host answers like this."""
    workload.until(lambda: workload.curl(HTTP), lambda answer: answer.status == status, what)


def test_two_private_entries(mesh: Mesh, egressd: Egressd, curl: Workload, team: Workload) -> None:
    """Each namespace has its own timeout."""
    mesh.world.behave(HOST, delay=2)
    egressd.ctl(*UPSERT, "--port", "80:HTTP", "--export-to", ".", "--request-timeout", "9s")
    egressd.ctl(*UPSERT, "--port", "80:HTTP", "--export-to", ".", "--request-timeout", "1s", "-n", "team")
    answers(team, 504, "the timeout of the team's entry")
    answers(curl, 301, "the longer timeout of the other entry")


def test_a_fault_affects_its_own_namespace(mesh: Mesh, egressd: Egressd, curl: Workload, team: Workload) -> None:
    """If the host is another namespace's. Those who use the owner's entry are all affected by the owner's fault, except
    for a namespace with an entry of its own."""
    egressd.ctl(*UPSERT, "--port", "80:HTTP")
    fault = ("fault", "inject", HOST, "--ttl", "10m", "--wait", "applied")
    egressd.ctl(*fault, "--abort", "418", "-n", "team", "--id", "theirs")
    answers(team, 418, "the team's fault")
    answers(curl, 301, "no fault")
    egressd.ctl(*fault, "--abort", "425", "--id", "owners")
    answers(curl, 425, "the owner's fault")
    egressd.ctl("fault", "clear", "theirs", "-n", "team", "--wait", "applied")
    answers(team, 425, "the owner's fault")
    egressd.ctl(*UPSERT, "--port", "80:HTTP", "--export-to", ".", "-n", "team")
    answers(team, 301, "an entry of its own")
    answers(curl, 425, "the owner's fault still")


def test_a_foreign_destination_rule(mesh: Mesh, egressd: Egressd, curl: Workload) -> None:
    """An older one is neither ignored nor overruled: the change fails on the cluster, until the rule is adopted."""
    apply(mesh, destination_rule("theirs", HOST, {"connectionPool": {"tcp": {"maxConnections": 7}}}))
    tls = TlsOrigination(insecure_skip_verify=True)
    result = egressd.client.upsert_service_entry("mine", hosts=[HOST], ports=["80:HTTP:http:443"], tls_origination=tls)
    failed = egressd.ctl("changes", "wait", str(result.change.revision), code=1)
    assert "FOREIGN_OWNER" in failed.stdout + failed.stderr
    egressd.ctl("cluster", "adopt", mesh.name, "DestinationRule/default/theirs", "--reason", "test")
    answers(curl, 200, "TLS by the adopted rule")
