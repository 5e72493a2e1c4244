"""`explain --live`, `explain --model`, Probe and curl say the same, from workloads in several namespaces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest

from egress import ExplainResponse, ProbeResponse
from tests.mesh.harness.cluster.istio_objects import Object, apply, destination_rule, entry, sidecar, virtual_service
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import NotReady, Run, eventually
from tests.mesh.harness.workload.workload import ANSWER_SECONDS, Workload

PLAIN, OTHER, TLS, SPLIT = (f"{name}.example.com" for name in ("plain", "other", "tls", "split"))
SUBSET, BY_SNI, DB, PROXY, BESIDE = (f"{name}.example.com" for name in ("subset", "sni", "db", "proxy", "beside"))
AT = {PLAIN: "203.0.113.101", OTHER: "203.0.113.102", TLS: "203.0.113.103", SPLIT: "203.0.113.104"}
AT |= {SUBSET: "203.0.113.105", BY_SNI: "203.0.113.106", DB: "203.0.113.107", PROXY: "203.0.113.108"}
DB_ADDRESS, WILD = "203.0.113.107", "x.wild.example"
EXCLUDED = "203.0.113.66"


def _to(host: str, port: int, **more: object) -> list[Object]:
    return [{"destination": {"host": host, "port": {"number": port}, **more}}]


def _entries() -> list[Object]:
    unresolved = entry("beside", BESIDE, "80:HTTP", resolution="NONE")
    unresolved["spec"]["ports"][0]["targetPort"] = 8080
    origin = entry("tls", TLS, "80:HTTP", at=AT[TLS])
    origin["spec"]["ports"][0]["targetPort"] = 443
    return [
        *(entry(host.partition(".")[0], host, at=AT[host]) for host in (PLAIN, OTHER, SPLIT, SUBSET, BY_SNI)),
        *(origin, unresolved),
        entry("db", DB, "3306:TCP", at=AT[DB], addresses=(DB_ADDRESS,)),
        entry("proxy", PROXY, "8080:HTTP", "3306:TCP", at=AT[PROXY]),
        entry("wild", "*.wild.example", resolution="NONE"),
        entry("looked-up", "*.looked.example.org", "80:HTTP", resolution="DYNAMIC_DNS"),
    ]


def _routes() -> list[Object]:
    tls = {"mode": "SIMPLE", "sni": TLS, "insecureSkipVerify": True}
    subset = destination_rule("subset", SUBSET, {})
    subset["spec"] = {"host": SUBSET, "subsets": [{"name": "v9", "labels": {"version": "v9"}}]}
    canary = {"headers": {"x-canary": {"exact": "yes"}}}
    split = virtual_service("split", SPLIT, {})
    split["spec"]["http"] = [
        {"match": [canary], "route": _to(OTHER, 80)},
        {"match": [{"uri": {"prefix": "/own"}}], "directResponse": {"status": 418}},
        {"match": [{"method": {"exact": "GET"}}], "redirect": {"authority": OTHER}},
        {"route": _to(SPLIT, 80)},
    ]
    by_sni = {"match": [{"port": 443, "sniHosts": [BY_SNI]}], "route": _to(OTHER, 443)}
    by_port = {"match": [{"port": 3306}], "route": _to(PROXY, 3306)}
    return [
        *(destination_rule("tls", TLS, {"tls": tls}), subset, split),
        virtual_service("subset", SUBSET, {"route": _to(SUBSET, 80, subset="v9")}),
        virtual_service("sni", BY_SNI, tls=[by_sni]),
        virtual_service("db", DB, tcp=[by_port]),
    ]


def _sidecars() -> list[Object]:
    ported = sidecar("ported", namespace="ported")
    narrow = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"*/{PLAIN}"]}
    ported["spec"] = {"egress": [narrow, {"hosts": ["*/*", f"~default/{SUBSET}"]}]}
    proxied = sidecar("proxied", "*/*", f"~default/{PLAIN}", namespace="proxied")
    proxy = {"host": PROXY, "port": {"number": 8080}}
    proxied["spec"]["outboundTrafficPolicy"] = {"mode": "ALLOW_ANY", "egressProxy": proxy}
    return [ported, proxied]


@dataclass(frozen=True)
class Case:
    """A request, and what it gets: the outcome, the service that it is sent to, HOST:PORT, and what curl shows."""

    name: str
    url: str
    outcome: str
    status: int = 0
    upstream: str = ""
    namespace: str = "default"
    method: str = "HEAD"
    headers: Mapping[str, str] = field(default_factory=dict)
    routed_by: str = ""
    refused: str = ""


CASES = [
    Case("registered", f"http://{PLAIN}/", "REGISTERED", 301, f"{PLAIN}:80"),
    Case("registered, TLS", f"https://{PLAIN}/", "REGISTERED", 200, f"{PLAIN}:443"),
    Case("blocked", "http://un.example.net/", "BLOCKED", 502),
    Case("blocked, TLS", "https://un.example.net/", "BLOCKED"),
    Case("TLS by a DestinationRule", f"http://{TLS}/", "REGISTERED", 200, f"{TLS}:80"),
    Case("another target port, not resolved", f"http://{BESIDE}/", "REGISTERED", 301, f"{BESIDE}:80"),
    Case(
        *("a header decides", f"http://{SPLIT}/", "REGISTERED", 301, f"{OTHER}:80"),
        headers={"x-canary": "yes"},
        routed_by="default/split",
    ),
    Case("a path decides", f"http://{SPLIT}/own/x", "BLOCKED", 418, routed_by="default/split"),
    Case("a method decides", f"http://{SPLIT}/", "BLOCKED", 301, method="GET", routed_by="default/split"),
    Case("the last route", f"http://{SPLIT}/", "REGISTERED", 301, f"{SPLIT}:80", routed_by="default/split"),
    Case("a subset of nothing", f"http://{SUBSET}/", "UNREACHABLE", 503, routed_by="default/subset"),
    Case("a route by SNI", f"https://{BY_SNI}/", "REGISTERED", 200, f"{OTHER}:443", routed_by="default/sni"),
    Case("a TCP route", f"tcp://{DB}:3306", "REGISTERED", 0, f"{PROXY}:3306", routed_by="default/db"),
    Case("a wildcard", f"http://{WILD}/", "REGISTERED", 301, "*.wild.example:80"),
    Case("a wildcard, TLS", f"https://{WILD}/", "REGISTERED", 200, "*.wild.example:443"),
    Case(
        *("the sidecar resolves", "http://a.looked.example.org/", "REGISTERED", 301, "*.looked.example.org:80"),
        refused="RESOLVED_BY_SIDECAR",
    ),
    Case("a listener by port", f"http://{PLAIN}/", "REGISTERED", 301, f"{PLAIN}:80", "ported"),
    Case("not of a listener by port", f"http://{OTHER}/", "BLOCKED", 502, namespace="ported"),
    Case("of the other listener", f"https://{OTHER}/", "REGISTERED", 200, f"{OTHER}:443", "ported"),
    Case("excluded from a Sidecar", f"https://{SUBSET}/", "BLOCKED", namespace="ported"),
    Case("an egressProxy", "http://un.example.net/", "REGISTERED", 301, f"{PROXY}:8080", "proxied"),
    Case("excluded, to the egressProxy", f"http://{PLAIN}/", "REGISTERED", 301, f"{PROXY}:8080", "proxied"),
]


@pytest.fixture(scope="module")
def egressd(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Egressd]:
    """A server that knows the mesh."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        yield egressd


def test_all_say_the_same(egressd: Egressd, mesh: Mesh, curl: Workload, subtests: pytest.Subtests) -> None:
    """Outcome, upstream and VirtualService; the status of Probe is curl's."""
    for namespace in ("ported", "proxied"):
        mesh.namespace(namespace)
    for host, address in AT.items():
        mesh.world.name(host, address)
    workloads = {"default": curl, **{name: mesh.workload(name, name) for name in ("ported", "proxied")}}
    for workload in workloads.values():
        egressd.agent(workload)
    mesh.set_mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    apply(mesh, *_entries(), *_routes(), *_sidecars())
    for case in CASES:
        with subtests.test(case.name):
            _agree(egressd, workloads[case.namespace], case)


def _agree(egressd: Egressd, workload: Workload, case: Case) -> None:
    wanted = (case.outcome, case.upstream, case.routed_by)
    probed = ("INCONCLUSIVE", None) if case.refused else (case.outcome, True)
    told: dict[str, object] = {}

    def alike() -> bool:
        told.update(
            live=_live(egressd, workload, case),
            model=_model(egressd, workload, case),
            probe=_probe(egressd, workload, case),
            curl=_curl(workload, case),
        )
        return told == {"live": wanted, "model": wanted, "probe": probed, "curl": case.status}

    try:
        eventually(alike, case.name, ANSWER_SECONDS)
    except NotReady:
        raise AssertionError(f"{case.name}: wanted {wanted}, {probed}, {case.status}; {told}") from None


def _explain(egressd: Egressd, workload: Workload, case: Case, basis: Literal["live", "model"]) -> ExplainResponse:
    explained = egressd.client.explain(
        case.url,
        cluster=workload.mesh.name,
        namespace=case.namespace,
        method=case.method,
        headers=case.headers,
        resolve=AT.get(urlsplit(case.url).hostname or "", ""),
        basis=basis,
    )
    assert "EGR0611" not in {finding.code for finding in explained.findings}, explained
    return explained


def _live(egressd: Egressd, workload: Workload, case: Case) -> tuple[str, str, str]:
    live = _explain(egressd, workload, case, "live").live
    sent = [each for each in live.upstreams if each.outcome == ProbeResponse.REGISTERED]
    reached = {f"{each.host}:{each.port}" for each in sent if each.host}
    return ProbeResponse.Outcome.Name(live.outcome), "".join(reached), live.virtual_service


def _model(egressd: Egressd, workload: Workload, case: Case) -> tuple[str, str, str]:
    expected = _explain(egressd, workload, case, "model").expected
    reached = {f"{each.host}:{each.port}" for each in expected.upstreams}
    return ProbeResponse.Outcome.Name(expected.outcome), "".join(reached), expected.routed_by


def _probe(egressd: Egressd, workload: Workload, case: Case) -> tuple[str, bool | None]:
    cluster, namespace = workload.mesh.name, case.namespace
    result = egressd.client.probe(
        case.url, cluster=cluster, namespace=namespace, method=case.method, headers=case.headers
    )
    return ProbeResponse.Outcome.Name(result.outcome), result.agrees if result.HasField("agrees") else None


def _curl(workload: Workload, case: Case) -> int:
    words = [word for name, value in case.headers.items() for word in ("-H", f"{name}: {value}")]
    url = case.url.replace("tcp://", "telnet://")
    return workload.curl(url, "-k", *words, head=case.method == "HEAD" and not url.startswith("telnet")).status
