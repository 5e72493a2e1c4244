"""Foreign objects count too: what explain says next to them is what a probe and curl then see."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
import yaml

from egress import EgressClient, ProbeResponse
from tests.mesh.harness.cluster.istio_objects import (
    Object,
    abort,
    answering_filter,
    apply,
    delete,
    entry,
    labelled,
    next_second,
    service,
    sidecar,
    virtual_service,
)
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import NotReady, Run, eventually
from tests.mesh.harness.workload.workload import ANSWER_SECONDS, Workload

HOST, OTHER = "a.example.com", "b.example.com"
HTTP, HTTPS, WIDE = f"http://{HOST}/", f"https://{HOST}/", f"http://{HOST}:8080/"
AT, ELSEWHERE = "203.0.113.101", "203.0.113.102"
RESOURCE = "meshes/default/"
ENTRY, POLICY = f"{RESOURCE}namespaces/default/serviceEntries/managed", f"{RESOURCE}outboundPolicies/default"

Policy = Callable[[EgressClient], object]


def outbound(mode: str, **scope: str) -> Policy:
    """An outbound policy."""
    force = ["EGR0302"] if mode == "REGISTRY_ONLY" else []
    return lambda client: client.set_outbound_policy(mode, suppress_findings=force, **scope)  # type: ignore[arg-type]


def managed_entry(*ports: str, host: str = HOST, **fields: object) -> Policy:
    """A managed entry, in namespace default unless another is given."""
    return lambda client: client.upsert_service_entry("managed", hosts=[host], ports=ports or ["80:HTTP"], **fields)  # type: ignore[arg-type]


def fault(status: int) -> Policy:
    """A managed fault on all requests."""
    return lambda client: client.inject_fault(HOST, abort=status, suppress_findings=["EGR0202"])


def fault_on_a_service(host: str) -> Policy:
    """A managed fault, which need not be forced once the cluster's Service is known."""
    return lambda client: eventually(lambda: client.inject_fault(host, abort=418), f"{host} known", ANSWER_SECONDS)


@dataclass(frozen=True)
class Case:
    """What is there, what we set next to it, and for URLs: the outcome, who decides, and the status that curl gets.
    `codes` are findings that explain has on the first URL."""

    name: str
    theirs: Sequence[Object]
    policies: Sequence[Policy]
    sees: dict[str, tuple[str, str, int]]
    codes: frozenset[str] = frozenset()


CLOSED = outbound("REGISTRY_ONLY")
CANARY = {"istio.io/rev": "canary"}
THEIRS = entry("theirs", HOST, "80:HTTP", "443:TLS", namespace="shop", at=AT)
CASES = [
    Case(
        "a foreign entry in a closed mesh",
        [THEIRS],
        [CLOSED],
        {HTTP: ("REGISTERED", "ServiceEntry/shop/theirs", 301), HTTPS: ("REGISTERED", "ServiceEntry/shop/theirs", 200)},
    ),
    Case(
        "a managed entry next to a foreign one: the client's own namespace wins, with the ports that it has",
        [entry("theirs", HOST, "80:HTTP", "8080:HTTP", namespace="shop", at=AT)],
        [CLOSED, managed_entry()],
        {HTTP: ("REGISTERED", ENTRY, 301), WIDE: ("BLOCKED", POLICY, 0)},
        frozenset({"EGR0701"}),
    ),
    Case(
        "a managed entry in another namespace than an older foreign one",
        [THEIRS],
        [CLOSED, managed_entry(namespace="lab")],
        {HTTP: ("REGISTERED", "ServiceEntry/shop/theirs", 301)},
    ),
    Case(
        "a managed entry in another namespace, exported by name",
        [THEIRS],
        [CLOSED, managed_entry(namespace="lab", export_to=["default"])],
        {HTTP: ("REGISTERED", f"{RESOURCE}namespaces/lab/serviceEntries/managed", 301)},
    ),
    Case(
        "a foreign Sidecar without a mode, which hides a managed entry",
        [sidecar("theirs", "./*", "istio-system/*", "shop/*")],
        [CLOSED, managed_entry(namespace="lab")],
        {HTTP: ("BLOCKED", POLICY, 502)},
        frozenset({"EGR0602"}),
    ),
    Case(
        "a foreign Sidecar that allows any in a closed mesh",
        [sidecar("theirs", "*/*", mode="ALLOW_ANY")],
        [CLOSED],
        {
            HTTP: ("PASSTHROUGH", "Sidecar/default/theirs", 301),
            HTTPS: ("PASSTHROUGH", "Sidecar/default/theirs", 200),
        },
    ),
    Case(
        "no visible HTTP service, so port 80 is not HTTP",
        [sidecar("theirs", "./*")],
        [outbound("REGISTRY_ONLY", namespace="default", id="closed")],
        {HTTP: ("BLOCKED", f"{RESOURCE}outboundPolicies/closed", 0)},
    ),
    Case(
        "a foreign VirtualService on a managed entry",
        [virtual_service("theirs", HOST, {"fault": abort(httpStatus=418)}, namespace="shop")],
        [CLOSED, managed_entry(), fault(503)],
        {HTTP: ("FAULTED", "VirtualService/shop/theirs", 418)},
        frozenset({"EGR0606"}),
    ),
    Case(
        "a foreign Service by its short name",
        service("web", "http:80", headless=False, at=AT),
        [CLOSED],
        {
            "http://web.shop/": ("REGISTERED", "Service/shop/web", 301),
            "http://web/": ("BLOCKED", POLICY, 502),
        },
    ),
    Case(
        "a managed fault on a foreign Service",
        service("web", "http:80", headless=False, at=AT),
        [CLOSED, fault_on_a_service("web.shop.svc.cluster.local")],
        {
            "http://web.shop.svc.cluster.local/": (
                "FAULTED",
                f"{RESOURCE}namespaces/default/faults/web-shop-svc-cluster-local",
                418,
            )
        },
    ),
    Case(
        "an entry and a Sidecar of another revision, which istiod does not read",
        [labelled(THEIRS, CANARY), labelled(sidecar("theirs", "*/*", mode="ALLOW_ANY"), CANARY)],
        [CLOSED],
        {HTTP: ("BLOCKED", POLICY, 502)},
    ),
    Case(
        "a policy for the namespace of a Sidecar of another revision",
        [labelled(sidecar("theirs", "*/*"), CANARY)],
        [outbound("REGISTRY_ONLY", namespace="default", id="closed")],
        {HTTP: ("BLOCKED", f"{RESOURCE}outboundPolicies/closed", 502)},
    ),
    Case(
        "a fault for the host of a VirtualService of another revision",
        [labelled(virtual_service("theirs", HOST, {"fault": abort(httpStatus=418)}), CANARY)],
        [CLOSED, managed_entry(), fault(503)],
        {HTTP: ("FAULTED", f"{RESOURCE}namespaces/default/faults/a-example-com", 503)},
    ),
    Case(
        "foreign HTTP and managed TLS on one port",
        [entry("theirs", OTHER, "443:HTTP", namespace="shop", at=AT)],
        [CLOSED, managed_entry("443:TLS")],
        {
            HTTPS: ("REGISTERED", ENTRY, 200),
            f"https://{OTHER}/": ("BLOCKED", POLICY, 0),
        },
    ),
]


@pytest.fixture
def egressd(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Egressd]:
    """One egressd with the mesh and an agent in its workload."""
    apply(mesh, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}})
    for name in ("web.shop", "web", "web.shop.svc.cluster.local"):
        mesh.world.name(name, "203.0.113.200")
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.agent(curl)
        yield egressd


def test_what_explain_says_is_what_curl_sees(
    egressd: Egressd, mesh: Mesh, curl: Workload, subtests: pytest.Subtests
) -> None:
    """The outcome and who decides, in explain, in the probe's expectation and in what happens."""
    for case in CASES:
        with subtests.test(case.name):
            apply(mesh, *case.theirs)
            if case.theirs:
                next_second()
            try:
                for policy in case.policies:
                    policy(egressd.client)
                _explained(egressd, mesh, case)
                _seen(egressd, mesh, curl, case)
            finally:
                egressd.clear()
                delete(mesh, *case.theirs)


def test_a_mesh_policy_that_is_held_in_part(egressd: Egressd, mesh: Mesh, curl: Workload) -> None:
    """MeshConfig can't be edited, so only the root namespace's Sidecar has the mode; it decides all the same."""
    text = yaml.safe_dump(mesh.mesh_config()) + "\n\tx: {}"
    patch = json.dumps({"data": {"mesh": text}})
    mesh.kubectl("patch", "configmap", "istio", "-n", "istio-system", "--type=merge", "-p", patch)
    CLOSED(egressd.client)
    case = Case("", [], [], {HTTP: ("BLOCKED", POLICY, 502)}, frozenset({"EGR0606"}))
    _explained(egressd, mesh, case)
    _seen(egressd, mesh, curl, case)


def test_istiod_reads_nothing_where_discovery_leaves_out_a_namespace(
    egressd: Egressd, mesh: Mesh, curl: Workload
) -> None:
    """A foreign entry there does not count, and a managed one fails with the reason."""
    read = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default", "istio-system"]}
    mesh.set_mesh_config(discoverySelectors=[{"matchExpressions": [read]}])
    case = Case("", [THEIRS], [], {HTTP: ("BLOCKED", POLICY, 0)})  # nothing makes port 80 HTTP
    apply(mesh, *case.theirs)
    CLOSED(egressd.client)
    _explained(egressd, mesh, case)
    _seen(egressd, mesh, curl, case)
    managed_entry(namespace="shop")(egressd.client)
    _explained(egressd, mesh, replace(case, codes=frozenset({"EGR0606"})))


def test_an_envoy_filter_may_change_the_answer(egressd: Egressd, mesh: Mesh, curl: Workload) -> None:
    """Explain warns of it, and the sidecar answers requests to a registered host itself."""
    apply(mesh, THEIRS, answering_filter("theirs", 418))
    case = Case("", [], [], {HTTP: ("REGISTERED", "ServiceEntry/shop/theirs", 418)}, frozenset({"EGR0609"}))
    _explained(egressd, mesh, case)
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the filter's answer")


def _explained(egressd: Egressd, mesh: Mesh, case: Case) -> None:
    said: dict[str, tuple[str, str]] = {}
    codes: set[str] = set()

    def agrees() -> bool:
        for number, url in enumerate(case.sees):
            explanation = egressd.client.explain(url, cluster=mesh.name)
            expected = explanation.expected
            said[url] = (ProbeResponse.Outcome.Name(expected.outcome), expected.resource)
            if number == 0:
                codes.update(finding.code for finding in explanation.findings)
        return said == {url: seen[:2] for url, seen in case.sees.items()} and codes >= case.codes

    try:
        eventually(agrees, case.name, ANSWER_SECONDS)
    except NotReady:
        raise AssertionError(f"{said}, {codes}") from None


def _seen(egressd: Egressd, mesh: Mesh, curl: Workload, case: Case) -> None:
    seen: dict[str, tuple[bool, int]] = {}

    def agrees() -> bool:
        for url, (_, _, status) in case.sees.items():
            probed = egressd.client.probe(url, cluster=mesh.name)
            answer = curl.curl(url, "-k")
            seen[url] = (probed.agrees, answer.status)
            if answer.status != status:
                return False
        return all(agreed for agreed, _ in seen.values())

    try:
        eventually(agrees, case.name, ANSWER_SECONDS)
    except NotReady:
        raise AssertionError(str(seen)) from None
