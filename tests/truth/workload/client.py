"""A workload of a mesh that answers questions by curl and by Probe."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from egress_server.domain.live.config import SidecarConfig, parse_config_dump
from egress_server.domain.probe.evidence import Destination
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.workload.curl import curl_in
from tests.mesh.harness.xds.client import Identity
from tests.support.paths import ROOT
from tests.truth.world import NATURAL, Question

_SECONDS = 1.0
"""How long a client waits: longer than any delay of a fault."""
_TIMED_OUT = 28
_WORKLOADS = (("default", {"app": "one"}), ("shop", {"app": "two", "tier": "back"}), ("team", {"app": "two"}))
_READ = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
try:
    print(connection.recv(200).decode(errors="replace").strip() or "closed")
except TimeoutError:
    print("hangs")
except OSError:
    print("closed")
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw: `served_by` is ADDRESS:PORT of the server outside that answered, empty if none did; `status`
    is that of HTTP."""

    served_by: str = ""
    status: int = 0
    hung: bool = False


def start_clients(mesh: Mesh) -> list["Client"]:
    """Workloads in different namespaces, with different labels."""
    for host, address in NATURAL.items():
        mesh.world.name(host, address)
    return [Client(mesh, *workload) for workload in _WORKLOADS]


class Client:
    """A workload with these labels in a namespace."""

    def __init__(self, mesh: Mesh, namespace: str, labels: dict[str, str]) -> None:
        self._authority = str(mesh.world.authority)
        self.namespace, self.labels = namespace, labels
        self._workload = mesh.workload(labels["app"], namespace, labels=labels)
        pod = self._workload.pod()
        self.identity = Identity(
            namespace,
            pod["metadata"]["name"],
            pod["metadata"]["labels"],
            self._workload.sandbox.addresses,
        )
        inside = ("ip", "netns", "exec", self._workload.netns)
        self._prober = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.truth.workload.prober"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """Ends its prober."""
        self._prober.kill()
        self._prober.wait()

    def config(self) -> SidecarConfig:
        """The configuration that its sidecar has now."""
        return parse_config_dump(json.loads(self._workload.sandbox.admin("/config_dump?include_eds")))

    def curl(self, question: Question) -> Seen:
        """What an application sees."""
        if question.scheme == "tcp":
            return self._connect(question)
        scheme = "https" if question.scheme == "tls" else question.scheme
        words = ["--max-time", str(_SECONDS), "-k", "--http1.1", "-X", question.method]
        for name, value in question.headers.items():
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
        words += ["--resolve", f"{question.host}:{question.port}:{question.address}"]
        head = question.method == "HEAD"
        url = f"{scheme}://{question.host}:{question.port}{question.path}"
        answer = curl_in(self._workload.netns, url, *words, head=head)
        return Seen(answer.headers.get("x-served-by", ""), answer.status, answer.exit == _TIMED_OUT)

    def probe(self, question: Question) -> dict[str, Any]:
        """What Probe says: outcome, upstream, routed_by, reply, causes, refused."""
        assert self._prober.stdin is not None
        assert self._prober.stdout is not None
        destination = Destination(question.scheme, question.host, question.port, question.path)
        asked = {"destination": asdict(destination), "method": question.method, "headers": dict(question.headers)}
        self._prober.stdin.write(json.dumps({**asked, "resolve": question.address, "timeout": _SECONDS}) + "\n")
        self._prober.stdin.flush()
        found: dict[str, Any] = json.loads(self._prober.stdout.readline())
        return found

    def _connect(self, question: Question) -> Seen:
        inside = ("ip", "netns", "exec", self._workload.netns)
        argv = [*inside, sys.executable, "-c", _READ, question.address, str(question.port), str(_SECONDS)]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
        if said.startswith("hello from "):
            return Seen(said.removeprefix("hello from "))
        return Seen(hung=said == "hangs")
