"""One table of policies and their effects, in two columns: a local cluster and a real mesh. They must be equal, or a
policy can't be tried out on the local cluster."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from egress import EgressClient, ProbeResponse
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import NotReady, Run, eventually
from tests.mesh.harness.workload.workload import ANSWER_SECONDS, Workload
from tests.mesh.harness.world.local_world import serving

LOCAL = "local"
ALIYUN, API, WILD = "www.aliyun.com", "api.example.com", "a.wild.example"
DATABASE, OTHER_DATABASE = "db.example.com", "db.example.org"
HTTP, HTTPS, TCP = f"http://{ALIYUN}/", f"https://{ALIYUN}/", f"tcp://{DATABASE}:3306"
OTHER = f"http://{API}/"
DOCUMENT = ("80:HTTP:http", "443:HTTPS:https")

Policy = Callable[[EgressClient], object]
Seen = tuple[str, int]
"""The outcome of a probe, and the status of its answer; 0 if none came."""


def outbound(mode: str, **scope: object) -> Policy:
    """An outbound policy for a scope."""
    return lambda client: client.set_outbound_policy(mode, **scope)  # type: ignore[arg-type]


def entry(host: str = ALIYUN, *ports: str, **fields: object) -> Policy:
    """An entry for a host, with the document's ports unless others are given."""
    id_ = host.replace("*", "any")
    return lambda client: client.upsert_service_entry(id_, hosts=[host], ports=ports or DOCUMENT, **fields)  # type: ignore[arg-type]


def fault(host: str = ALIYUN, **fields: object) -> Policy:
    """A fault on a host."""
    return lambda client: client.inject_fault(host, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scenario:
    """Policies in the order in which they are set, and what probes of URLs then see. `headers` go with every probe."""

    name: str
    policies: tuple[Policy, ...]
    sees: Mapping[str, Seen]
    headers: Mapping[str, str] = field(default_factory=dict)


CLOSED = outbound("REGISTRY_ONLY", suppress_findings=["EGR0302"])
SCENARIOS = [
    Scenario(
        "no policy at all", (), {HTTP: ("PASSTHROUGH", 301), HTTPS: ("PASSTHROUGH", 200), TCP: ("PASSTHROUGH", 0)}
    ),
    Scenario(
        "registry only, nothing registered",
        (CLOSED,),
        {HTTP: ("BLOCKED", 502), HTTPS: ("BLOCKED", 0), TCP: ("BLOCKED", 0)},
    ),
    Scenario(
        "the document's entry",
        (CLOSED, entry()),
        {
            HTTP: ("REGISTERED", 301),
            HTTPS: ("REGISTERED", 200),
            f"http://{API}/": ("BLOCKED", 502),
            TCP: ("BLOCKED", 0),
        },
    ),
    Scenario(
        "an entry where all may leave", (entry(),), {HTTP: ("REGISTERED", 301), f"http://{API}/": ("PASSTHROUGH", 301)}
    ),
    Scenario("a delay", (CLOSED, entry(), fault(delay="1s")), {HTTP: ("FAULTED", 301), HTTPS: ("REGISTERED", 200)}),
    Scenario("an abort", (CLOSED, entry(), fault(abort=503)), {HTTP: ("FAULTED", 503), HTTPS: ("REGISTERED", 200)}),
    Scenario("an abort in gRPC's terms", (CLOSED, entry(), fault(abort="UNAVAILABLE")), {HTTP: ("FAULTED", 200)}),
    Scenario(
        "delay and abort together",
        (CLOSED, entry(), fault(delay="0.5s", abort=418)),
        {HTTP: ("FAULTED", 418), HTTPS: ("REGISTERED", 200)},
    ),
    Scenario(
        "a fault for requests that do not come",
        (CLOSED, entry(), fault(abort=503, headers={"x-canary": "1"})),
        {HTTP: ("REGISTERED", 301)},
    ),
    Scenario(
        "a fault for the request that comes",
        (CLOSED, entry(), fault(abort=503, headers={"x-canary": "1"})),
        {HTTP: ("FAULTED", 503)},
        {"x-canary": "1"},
    ),
    Scenario(
        "a fault for another namespace's workloads",
        (CLOSED, entry(), fault(abort=503, source_namespace="shop")),
        {HTTP: ("REGISTERED", 301)},
    ),
    Scenario(
        "a namespace closed in an open mesh",
        (outbound("ALLOW_ANY"), outbound("REGISTRY_ONLY", namespace="default")),
        {HTTP: ("BLOCKED", 502), HTTPS: ("BLOCKED", 0)},
    ),
    Scenario(
        "workloads open in a closed mesh",
        (CLOSED, *(outbound("ALLOW_ANY", namespace="default", match_labels={"app": app}) for app in ("curl", "local"))),
        {HTTP: ("PASSTHROUGH", 301), HTTPS: ("PASSTHROUGH", 200)},
    ),
    Scenario(
        "an entry of another namespace, exported to all",
        (CLOSED, entry(namespace="shop")),
        {HTTP: ("REGISTERED", 301), HTTPS: ("REGISTERED", 200)},
    ),
    Scenario(
        "an entry of another namespace, kept to itself",
        (CLOSED, entry(namespace="shop", export_to=["."])),
        {HTTP: ("BLOCKED", 502), HTTPS: ("BLOCKED", 0)},
    ),
    Scenario(
        "a wildcard by server name and Host",
        (CLOSED, entry("*.wild.example", resolution="NONE")),
        {f"http://{WILD}/": ("REGISTERED", 301), f"https://{WILD}/": ("REGISTERED", 200), HTTP: ("BLOCKED", 502)},
    ),
    Scenario(
        "a database without addresses takes all on its port",
        (CLOSED, entry(DATABASE, "3306:TCP:mysql", suppress_findings=["EGR0101", "EGR0102"])),
        {TCP: ("REGISTERED", 0), f"tcp://{OTHER_DATABASE}:3306": ("REGISTERED", 0)},
    ),
    Scenario(
        "TLS to a port declared HTTP is unregistered, that of other hosts is not disturbed",
        (CLOSED, entry(ALIYUN, "80:HTTP", "443:HTTP"), entry(API, "443:TLS")),
        {HTTP: ("REGISTERED", 301), HTTPS: ("BLOCKED", 0), f"https://{API}/": ("REGISTERED", 200)},
    ),
    Scenario(
        "TLS to a port declared HTTP where all may leave", (entry(ALIYUN, "443:HTTP"),), {HTTPS: ("PASSTHROUGH", 200)}
    ),
    Scenario(
        "a database where its port is HTTP for another",
        (CLOSED, entry(API, "3306:HTTP"), entry(DATABASE, "3306:TCP")),
        {TCP: ("INCONCLUSIVE", 0), HTTP: ("BLOCKED", 502)},
    ),
    Scenario(
        "a fault on a host that is registered on another port strays to port 80",
        (CLOSED, entry(ALIYUN, "8080:HTTP"), fault(abort=503)),
        {HTTP: ("FAULTED", 503)},
    ),
    Scenario(
        "a fault that does not fit there, whose routes lead nowhere",
        (entry(ALIYUN, "8080:HTTP"), fault(abort=418, ports=[8080])),
        {HTTP: ("BLOCKED", 503), f"http://{API}/": ("PASSTHROUGH", 301)},
    ),
    Scenario(
        "TLS spoken by the sidecar",
        (CLOSED, entry(ALIYUN, "80:HTTP:http:443", "443:HTTPS:https", tls_origination=True)),
        {HTTPS: ("REGISTERED", 200)},
    ),
]


@pytest.fixture
def both(run: Run, mesh: Mesh, curl: Workload, tmp_path: Path) -> Iterator[Egressd]:
    """A local cluster and a real one under one egressd, each with an agent."""
    with serving(tmp_path, [ALIYUN, API, WILD], [DATABASE, OTHER_DATABASE]) as resolve:
        words = ["--local-cluster", LOCAL, *(word for value in resolve for word in ("--resolve", value))]
        with Egressd(run, *words) as egressd:
            egressd.register(mesh)
            egressd.agent(curl)
            yield egressd


def test_both_columns_agree(both: Egressd, curl: Workload, subtests: pytest.Subtests) -> None:
    """Probes from both, and plain curl in the real one, see what the table says."""
    for scenario in SCENARIOS:
        with subtests.test(scenario.name):
            for policy in scenario.policies:
                policy(both.client)
            try:
                for cluster in (LOCAL, curl.mesh.name):
                    _await(both, cluster, scenario)
                _compare_with_curl(curl, scenario)
            finally:
                both.clear()


def _await(both: Egressd, cluster: str, scenario: Scenario) -> None:
    """Until probes from the cluster's workload see what the table says."""
    seen: dict[str, Seen] = {}

    def agrees() -> bool:
        for url in scenario.sees:
            answer = both.client.probe(url, cluster=cluster, headers=scenario.headers)
            seen[url] = (ProbeResponse.Outcome.Name(answer.outcome), answer.attempts[0].status)
        return seen == scenario.sees

    with contextlib.suppress(NotReady):
        eventually(agrees, f"{scenario.name} on {cluster}", ANSWER_SECONDS)
    assert seen == scenario.sees, cluster


def _compare_with_curl(curl: Workload, scenario: Scenario) -> None:
    words = [word for name, value in scenario.headers.items() for word in ("-H", f"{name}: {value}")]
    for url, (outcome, status) in scenario.sees.items():
        if url.startswith("http"):
            answer = curl.curl(url, "-k", *words)
            cut = outcome == "BLOCKED" and url.startswith("https")
            assert (answer.status, answer.exit) == (status, 35 if cut else 0), (url, answer)
