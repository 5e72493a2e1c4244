"""The agent next to a real sidecar: what it reports of a connection is what curl gets in the same network namespace.

Policy is applied with kubectl here, since the tests are about what the agent sees, not about who wrote it.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from egress import InvalidArgument, ProbeResponse
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import NotReady, Run, command, eventually
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import ANSWER_SECONDS, Workload

HOST = "www.aliyun.com"
HTTP, HTTPS = f"http://{HOST}/", f"https://{HOST}/"
LEFT_OUT = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
MODE = "sidecar.istio.io/interceptionMode"


def entry(host: str, resolution: str = "DNS", endpoint: str = "") -> str:
    """A ServiceEntry for HTTP and HTTPS; `endpoint` is an address with nothing listening at port 1."""
    endpoints = f"[{{address: {endpoint}, ports: {{http: 1, https: 1}}}}]" if endpoint else "[]"
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: default}}
spec:
  hosts: [{host}]
  ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 443, name: https, protocol: HTTPS}}]
  resolution: {resolution}
  location: MESH_EXTERNAL
  endpoints: {endpoints}
"""


def faulty(fault: str) -> str:
    """A VirtualService with a fault on the document's host."""
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: broken, namespace: default}}
spec:
  hosts: [{HOST}]
  http: [{{name: broken, fault: {{{fault}}}, route: [{{destination: {{host: {HOST}}}}}]}}]
"""


@pytest.fixture(scope="module")
def egressd(run: Run, curl: Workload) -> Iterator[Egressd]:
    """A server that drives nothing here, and an agent in the workload."""
    folder = run.make_folder("agent-objects")
    with Egressd(run, "--directory-root", str(folder)) as egressd:
        egressd.ctl("cluster", "register", curl.mesh.name, "--target", "directory")
        egressd.agent(curl)
        yield egressd


class Both:
    """Curl and probe, side by side."""

    def __init__(self, egressd: Egressd, curl: Workload) -> None:
        self._product = egressd
        self._curl = curl

    def probe(self, url: str, *, count: int = 1, address: str = "") -> ProbeResponse:
        """What the agent says."""
        return self._product.client.probe(url, cluster=self._curl.mesh.name, count=count, resolve=address)

    def curl(self, url: str, address: str = "") -> Answer:
        """What curl shows."""
        host = url.split("/")[2]
        words = [word for port in (80, 443) for word in ("--resolve", f"{host}:{port}:{address}")] if address else []
        return self._curl.curl(url, "--insecure", *words)

    def see(self, url: str, outcome: str, status: int, *, address: str = "") -> ProbeResponse:
        """Once the probe says this outcome and status (0 if there is none), curl shows the same status."""
        answers: list[ProbeResponse] = []

        def agrees() -> bool:
            answers.append(self.probe(url, address=address))
            return _shown(answers[-1]) == (outcome, status)

        with contextlib.suppress(NotReady):
            eventually(agrees, f"{url}: {outcome}", ANSWER_SECONDS)
        assert _shown(answers[-1]) == (outcome, status), answers[-1]
        assert self.curl(url, address).status == status
        return answers[-1]


def _shown(answer: ProbeResponse) -> tuple[str, int]:
    """The outcome, and the status of the first attempt."""
    return ProbeResponse.Outcome.Name(answer.outcome), answer.attempts[0].status


@pytest.fixture
def both(egressd: Egressd, curl: Workload) -> Both:
    """Curl and probe in the workload."""
    return Both(egressd, curl)


def causes(answer: ProbeResponse) -> list[str]:
    """The codes of the causes."""
    return [cause.code for cause in answer.causes]


def annotate(mesh: Mesh, curl: Workload, **annotations: str) -> None:
    """Give the workload's pods annotations, and wait for the new one."""
    template = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    mesh.kubectl("patch", f"deployment/{curl.name}", "--type=merge", "-p", json.dumps(template))
    curl.await_ready()


def inside(curl: Workload, *words: str) -> str:
    """Run something in the workload's network namespace."""
    return command("ip", "netns", "exec", curl.netns, *words)


def test_unregistered(mesh: Mesh, both: Both) -> None:
    """Unregistered hosts pass, and are blocked under REGISTRY_ONLY: by 502, or by a reset."""
    for url, status in ((HTTP, 301), (HTTPS, 200)):
        answer = both.see(url, "PASSTHROUGH", status)
        assert answer.attempts[0].captured
        assert answer.attempts[0].upstream == "PassthroughCluster"
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    assert causes(both.see(HTTP, "BLOCKED", 502)) == ["BLOCKED_HTTP"]
    assert causes(both.see(HTTPS, "BLOCKED", 0)) == ["BLOCKED_CLOSED"]
    assert causes(both.probe(f"tcp://{HOST}:3306")) == ["BLOCKED_CLOSED"]


def test_registered(mesh: Mesh, both: Both) -> None:
    """What is registered goes out as that service."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    mesh.apply(entry(HOST))
    for url, status, port in ((HTTP, 301, 80), (HTTPS, 200, 443)):
        answer = both.see(url, "REGISTERED", status)
        assert answer.attempts[0].upstream == f"outbound|{port}||{HOST}"


@pytest.mark.parametrize(
    ("fault", "status", "found"),
    [
        ("delay: {percentage: {value: 100}, fixedDelay: 1s}", 301, ["FAULT_DELAY", "REGISTERED_UPSTREAM"]),
        ("abort: {percentage: {value: 100}, httpStatus: 503}", 503, ["FAULT_ABORT"]),
        ("abort: {percentage: {value: 100}, grpcStatus: UNAVAILABLE}", 200, ["FAULT_ABORT"]),
        (
            "abort: {percentage: {value: 100}, httpStatus: 418}, delay: {percentage: {value: 100}, fixedDelay: 1s}",
            418,
            ["FAULT_ABORT", "FAULT_DELAY"],
        ),
    ],
)
def test_faulted(mesh: Mesh, both: Both, fault: str, status: int, found: list[str]) -> None:
    """A fault is reported with its VirtualService, by whatever status; TLS is not affected."""
    mesh.apply(entry(HOST) + "---" + faulty(fault))
    eventually(lambda: causes(both.probe(HTTP)) == found, f"a probe that meets {fault}")
    answer = both.see(HTTP, "FAULTED", status)
    assert all("default/broken" in cause.text for cause in answer.causes if cause.code.startswith("FAULT"))
    if "delay" in fault:
        assert both.curl(HTTP).lasted(1)
    both.see(HTTPS, "REGISTERED", 200)


def test_some_are_faulted(mesh: Mesh, both: Both) -> None:
    """Of a fault on a part of the requests each is reported as what it was."""
    mesh.apply(entry(HOST) + "---" + faulty("abort: {percentage: {value: 50}, httpStatus: 503}"))
    eventually(lambda: "FAULT_ABORT" in causes(both.probe(HTTP)), "the fault")
    answer = both.probe(HTTP, count=30)
    assert answer.counts.keys() == {"FAULTED", "REGISTERED"}
    assert sum(answer.counts.values()) == 30


def test_unreachable(mesh: Mesh, both: Both) -> None:
    """If nothing listens, or no name server knows the name, the sidecar passes the connection, which fails."""
    mesh.apply(entry("dead.example.com", "STATIC", "203.0.113.10"))
    assert causes(both.see("http://dead.example.com/", "UNREACHABLE", 503)) == ["UPSTREAM_CONNECT_FAILED"]
    assert causes(both.see("https://dead.example.com/", "UNREACHABLE", 0)) == ["UPSTREAM_CONNECT_FAILED"]
    mesh.apply(entry("nowhere.invalid"))
    address = "203.0.113.10"
    assert causes(both.see("http://nowhere.invalid/", "UNREACHABLE", 503, address=address)) == ["NO_UPSTREAM_ADDRESS"]
    assert causes(both.see("https://nowhere.invalid/", "UNREACHABLE", 0, address=address)) == ["NO_UPSTREAM_ADDRESS"]


def test_warming(mesh: Mesh, curl: Workload, both: Both) -> None:
    """While the sidecar waits for the answer to a name, no verdict is given."""
    mute = ("INPUT", "-p", "udp", "--sport", "53", "-j", "DROP")
    inside(curl, "iptables-legacy", "-I", *mute)
    try:
        mesh.apply(entry("warm.example.com"))
        for url in ("http://warm.example.com/", "https://warm.example.com/"):
            status = 503 if url.startswith("http:") else 0
            assert causes(both.see(url, "INCONCLUSIVE", status, address="203.0.113.10")) == ["CLUSTER_WARMING"]
    finally:
        inside(curl, "iptables-legacy", "-D", *mute)


def test_left_out(mesh: Mesh, curl: Workload, both: Both) -> None:
    """What the pod's iptables leave out never meets the sidecar, REGISTRY_ONLY or not; the rest does."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    annotate(mesh, curl, **{LEFT_OUT: "203.0.113.0/24"})
    for url, status in (("http://www.example.com/", 301), ("https://www.example.com/", 200)):
        answer = both.see(url, "BYPASSED", status)
        assert not answer.attempts[0].captured
        assert {header.value for header in answer.attempts[0].headers if header.name.lower() == "server"} == {"Tengine"}
    refused = both.probe("http://www.example.com:81/")
    assert causes(refused) == ["NOT_CAPTURED"]
    assert refused.attempts[0].error == "connection refused while connecting to the destination"
    both.see(HTTP, "BLOCKED", 502)


def test_tproxy(mesh: Mesh, curl: Workload, both: Both) -> None:
    """The other interception mode redirects outbound connections all the same."""
    annotate(mesh, curl, **{MODE: "TPROXY", LEFT_OUT: "203.0.113.0/24"})
    assert "TPROXY" in inside(curl, "iptables-legacy-save", "-t", "mangle")
    both.see(HTTP, "PASSTHROUGH", 301)
    both.see("http://www.example.com/", "BYPASSED", 301)


def test_ipv6(mesh: Mesh, curl: Workload, both: Both) -> None:
    """If the pod has IPv6 without ip6tables rules, the sidecar does not see its connections."""
    assert "15001" not in inside(curl, "ip6tables-legacy-save", "-t", "nat")
    both.see("http://[2001:db8::9]/", "BYPASSED", 301)


# A pod that has a connection from each port that it gets, and makes one more: does that share its port with another,
# and how many of the two come to the sidecar from it?
BUSY = """
import socket
held = [socket.create_connection(("198.51.100.77", 80)) for _ in range(200)]
port = socket.create_connection(("198.51.100.78", 80)).getsockname()[1]
rows = [line.split() for line in open("/proc/net/tcp")]
print(sum(each.getsockname()[1] == port for each in held))
print(sum(row[1].endswith(":3A99") and row[2].endswith(f":{port:04X}") for row in rows))
"""


def test_pod_that_has_used_up_its_ports(mesh: Mesh, curl: Workload, both: Both) -> None:
    """On their way to the sidecar the kernel changes the ports of a busy pod's connections, but not a probe's."""
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    both.see(HTTPS, "BLOCKED", 0)
    usual = inside(curl, "sysctl", "-n", "net.ipv4.ip_local_port_range").split()
    inside(curl, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40199")
    try:
        assert inside(curl, sys.executable, "-c", BUSY).split() == ["1", "1"]
        answers = [both.probe(HTTPS) for _ in range(6)]
    finally:
        inside(curl, "sysctl", "-q", "-w", f"net.ipv4.ip_local_port_range={' '.join(usual)}")
    assert {ProbeResponse.Outcome.Name(answer.outcome) for answer in answers} == {"BLOCKED"}


def test_other_traffic(mesh: Mesh, curl: Workload, both: Both) -> None:
    """While others ask the same host, a verdict is right or there is none."""
    mesh.apply(entry(HOST))
    both.see(HTTP, "REGISTERED", 301)
    with ThreadPoolExecutor(1) as side:
        busy = side.submit(inside, curl, "sh", "-c", f"for i in $(seq 40); do curl -sI -o /dev/null {HTTP}; done")
        answer = both.probe(HTTP, count=20)
        busy.result()
    assert answer.counts.keys() <= {"REGISTERED", "INCONCLUSIVE"}


def test_api_server(mesh: Mesh, both: Both) -> None:
    """The API server is refused at its real address, which only the sidecar knows."""
    (kubernetes,) = mesh.get("endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes")["items"]
    address, port = kubernetes["endpoints"][0]["addresses"][0], kubernetes["ports"][0]["port"]
    for url in (f"https://{address}:{port}/", f"http://{address}/"):
        with pytest.raises(InvalidArgument, match="an address of the cluster's API server"):
            both.probe(url)


def test_who_it_is(curl: Workload, egressd: Egressd) -> None:
    """The sidecar says what the workload is."""
    (agent,) = egressd.client.list_agents(curl.mesh.name)
    assert (agent.namespace, agent.labels["app"]) == ("default", "curl")
