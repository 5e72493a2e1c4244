"""Foreign objects take effect as well: expectations and explanations on a cluster that has some."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import ClusterReport, with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.istio.virtual_service import HttpRule, RouteTarget, VirtualServiceSpec
from egress_server.domain.model.resources import Abort, Resource, Retries, TrafficSettings
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.inventory import Inventory, PolicyGap, PolicyGapKind
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Expectation, Outcome, Upstream
from egress_server.domain.simulate.evaluate import Request, evaluate, predict
from egress_server.domain.simulate.registry import OwnerKind, registry
from egress_server.domain.verify import Workload, subjects
from tests.support.inventories import AFTER, foreign, inventory, kubernetes, routes, service, sidecar
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports

HOST = "bank.example.com"
HTTP, HTTPS, TCP = Destination("http", HOST, 80), Destination("https", HOST, 443), Destination("tcp", HOST, 3306)
BANK, STRICT = entry("bank"), policy("REGISTRY_ONLY")
LEGACY = "ServiceEntry/shop/bank"
THEIRS = foreign("bank", namespace="shop")
WINDOW = service(addresses=())
SETTLED = ClusterStatus("east", Phase.SETTLED, 9)


def seen(*resources: Resource, **there: Any) -> Effective:
    """A Kubernetes cluster with these resources and foreign objects; by default it has an HTTP Service on port 80."""
    east = kubernetes()
    wanted = effective(History(east, *resources).snapshot, east, BIRTH)
    return with_inventory(wanted, inventory(**{"services": (WINDOW,), **there}))


def explained(
    *resources: Resource, to: Destination = HTTP, report: ClusterReport | None = None, **there: Any
) -> Explanation:
    """The explanation for a workload of namespace default."""
    record = inventory(**{"services": (WINDOW,), **there})
    history = History(kubernetes(), *resources)
    return explain(
        history.snapshot, seen(*resources, **there), Request(to, "default"), report or ClusterReport(SETTLED, record)
    )


def codes(explanation: Explanation) -> list[str]:
    """Of its findings."""
    return [finding.code for finding in explanation.findings]


def test_foreign_entry_registers() -> None:
    """What a foreign entry registers is registered; steps and candidates name its field manager."""
    explanation = explained(STRICT, entries=(THEIRS,))
    assert (explanation.expected.outcome, explanation.expected.resource) == (Outcome.REGISTERED, LEGACY)
    assert explanation.expected.upstreams == (Upstream(HOST, 80),)
    assert (
        f"Registry: ServiceEntry shop/bank (unmanaged, last changed by helm) registers {HOST} port 80 as HTTP."
        in explanation.steps
    )
    assert explanation.candidates[0].resource == LEGACY
    assert explanation.candidates[0].wins
    assert codes(explanation) == []


def test_older_foreign_entry_wins() -> None:
    """The older entry wins, managed or not; and the client's own namespace wins over that."""
    assert predict(seen(BANK, entries=(THEIRS,)), "default", HTTP).resource == BANK.name
    assert predict(seen(BANK, entries=(THEIRS,)), "lab", HTTP).resource == LEGACY
    younger = replace(THEIRS, create_time=AFTER)
    assert predict(seen(BANK, entries=(younger,)), "lab", HTTP).resource == BANK.name
    why = next(i.reason for i in registry(seen(BANK, entries=(THEIRS,)), "lab", 80) if i.entry == BANK)
    assert why.endswith("is provided by namespace shop because its entry is the oldest")


def test_exported_by_name_comes_before_older_ones_for_all() -> None:
    """Istio looks at what is exported to a namespace by name before what is exported to all."""
    named = entry("bank", export_to=("lab",))
    items = registry(seen(named, entries=(THEIRS,)), "lab", 80)
    taken = next(item for item in items if item.entry.name == LEGACY)
    assert taken.shadowed_by == named.name
    assert "its entry is the oldest that is exported to lab by name" in taken.reason


def test_service_comes_before_entries() -> None:
    """An entry for the host of a Service in another namespace has no effect, even if it is older."""
    host = "web.shop.svc.cluster.local"
    older = foreign("odd", namespace="prod", hosts=(host,))
    web = service(create_time=AFTER)
    items = registry(seen(entries=(older,), services=(web,)), "default", 80)
    assert {item.entry.name: item.reachable for item in items} == {
        "ServiceEntry/prod/odd": False,
        "Service/shop/web": True,
    }
    assert [item.owner_kind for item in items] == [OwnerKind.SERVICE_ENTRY, OwnerKind.SERVICE]
    assert "a Service takes precedence over service entries" in items[0].reason


@pytest.mark.parametrize("host", ["web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "10.96.0.10"])
def test_services_by_their_names(host: str) -> None:
    """A Service is reached by its short names and its address."""
    wanted = seen(STRICT, services=(service(),))
    assert predict(wanted, "default", Destination("http", host, 80)).resource == "Service/shop/web"
    assert predict(wanted, "default", Destination("http", "web", 80)).outcome is Outcome.BLOCKED
    assert predict(wanted, "shop", Destination("http", "web", 80)).outcome is Outcome.REGISTERED


def test_tcp_services_at_their_address() -> None:
    """A TCP port of a Service is distinguished by the Service's address, and captures nothing else."""
    wanted = seen(STRICT, services=(service(ports=ports("3306:TCP")),))
    assert predict(wanted, "default", TCP, address="10.96.0.10").resource == "Service/shop/web"
    assert predict(wanted, "default", TCP, address="203.0.113.9").outcome is Outcome.BLOCKED


def test_port_80_without_http() -> None:
    """If it is known that no HTTP Service has port 80, entries determine its protocol."""
    raw = entry("raw", ports=ports("80:TCP"))

    def reads_http(there: Effective) -> bool:
        listener = evaluate(there, Request(HTTP, "default")).path.listener
        return listener is not None and listener.reads_http

    known = seen(raw, services=())
    assert not reads_http(known)
    assert predict(known, "default", HTTP).resource == raw.name
    assert reads_http(seen(raw, services=(), left_out={"services": 1}))
    assert reads_http(seen(raw))
    assert not reads_http(seen(raw, sidecars=(sidecar("./*"),)))


def test_service_makes_a_port_http() -> None:
    """With an HTTP port of a Service the sidecar waits for the client's first bytes on the port, and a server that
    speaks first does not work."""
    raw = entry("raw", ports=ports("8000:TCP"))
    silent = Destination("tcp", HOST, 8000)
    assert predict(seen(raw), "default", silent).resource == raw.name
    expected = predict(seen(raw, services=(service(ports=ports("8000:HTTP")),)), "default", silent)
    assert (expected.outcome, expected.resource) == (Outcome.INCONCLUSIVE, "Service/shop/web")


def test_sidecar_hides_an_entry() -> None:
    """An entry that is not among the egress hosts does not exist for the workload; the finding says where to add it."""
    explanation = explained(STRICT, entry("bank", namespace="prod"), sidecars=(sidecar("./*"),))
    assert explanation.expected.outcome is Outcome.BLOCKED
    (finding,) = (f for f in explanation.findings if f.code == "EGR0602")
    assert "not among the egress hosts of Sidecar default/theirs (unmanaged, last changed by helm)" in finding.cause
    assert finding.fix == f"add prod/{HOST} to the egress hosts of that Sidecar"


def test_sidecar_says_the_mode() -> None:
    """A foreign Sidecar takes precedence over the mesh's policy in its namespace."""
    explanation = explained(STRICT, sidecars=(sidecar(mode="ALLOW_ANY"),))
    assert explanation.expected == Expectation(Outcome.PASSTHROUGH, "Sidecar/default/theirs", 0)
    assert explanation.steps[-1] == (
        "Outbound policy: Sidecar default/theirs (unmanaged, last changed by helm) sets ALLOW_ANY, so connections to "
        "unregistered destinations may pass."
    )
    whys = {candidate.resource: candidate.reason for candidate in explanation.candidates}
    assert whys[STRICT.name] == (
        "Sidecar default/theirs (unmanaged, last changed by helm) takes precedence for this workload"
    )
    assert "the destination is unregistered" in whys["Sidecar/default/theirs"]
    registered = explained(BANK, sidecars=(sidecar(mode="REGISTRY_ONLY"),))
    assert registered.candidates[-1].reason.endswith("but an earlier rule already decided this connection")


def test_mesh_config_says_the_mode() -> None:
    """If no policy and no Sidecar sets the mode, MeshConfig does."""
    explanation = explained(mesh_mode="REGISTRY_ONLY")
    assert explanation.expected == Expectation(Outcome.BLOCKED, "ConfigMap/istio-system/istio", 0)
    assert "ConfigMap istio-system/istio (unmanaged) sets REGISTRY_ONLY" in explanation.steps[-1]


def test_foreign_virtual_service_routes() -> None:
    """An older foreign VirtualService is the only one used: a managed fault has no effect, which is a finding."""
    treated = replace(BANK, traffic=TrafficSettings(retries=Retries(3)))
    explanation = explained(treated, fault(), virtual_services=(routes(HOST),))
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert explanation.steps[-1] == (
        f"Routes: VirtualService shop/theirs (unmanaged, last changed by helm) routes requests to {HOST}: the first "
        f"rule that matches leads to {HOST} port 80."
    )
    whys = {candidate.resource: candidate.reason for candidate in explanation.candidates}
    assert whys[fault().name] == f"the unmanaged VirtualService/shop/theirs routes requests to {HOST}"
    assert whys["VirtualService/shop/theirs"].startswith("routes requests to")
    found = [f for f in explanation.findings if f.code == "EGR0605"]
    assert [f.resource for f in found] == [BANK.name, fault().name]
    assert "egressctl cluster adopt east VirtualService/shop/theirs" in found[0].fix


def test_younger_foreign_virtual_service() -> None:
    """A foreign VirtualService that is younger than the managed one has no effect."""
    explanation = explained(BANK, fault(), virtual_services=(routes(HOST, born=AFTER),))
    assert explanation.expected.resource == fault().name
    assert [c.resource for c in explanation.candidates if c.resource.startswith("Virtual")] == [
        "VirtualService/shop/theirs"
    ]


SOME_FAULTED = (Outcome.FAULTED, (Outcome.REGISTERED,))


@pytest.mark.parametrize(
    ("there", "outcome", "also"),
    [
        (routes(HOST, http=(HttpRule(abort=Abort(418), route=(RouteTarget(HOST),)),)), Outcome.FAULTED, ()),
        (routes(HOST, http=(HttpRule(abort=Abort(418, "", 20.0), route=(RouteTarget(HOST),)),)), *SOME_FAULTED),
        (routes(HOST, http=(HttpRule(answers="redirect", status=301),)), Outcome.BLOCKED, ()),
        (routes(HOST, spec=VirtualServiceSpec()), Outcome.INCONCLUSIVE, ()),
        (routes("*.example.com"), Outcome.FAULTED, ()),
        (routes(HOST, export_to=(".",)), Outcome.FAULTED, ()),
        (routes(HOST, export_to=("default",)), Outcome.REGISTERED, ()),
        (routes(HOST, namespace="default", export_to=(".",)), Outcome.REGISTERED, ()),
        (routes(HOST, mesh=False), Outcome.FAULTED, ()),
        (routes("*"), Outcome.FAULTED, ()),
    ],
)
def test_which_virtual_service(there: Any, outcome: Outcome, also: tuple[Outcome, ...]) -> None:
    """An exact host wins over a wildcard; one that is not exported to the client, or for gateways only, has no
    effect."""
    expected = predict(seen(BANK, fault(), virtual_services=(there,)), "default", HTTP)
    assert (expected.outcome, expected.also) == (outcome, also)


def test_virtual_service_for_a_host_that_nobody_registered() -> None:
    """It routes on port 80, and what it leads to decides."""
    wanted = seen(STRICT, virtual_services=(routes(HOST),))
    blocked = Expectation(Outcome.BLOCKED, "VirtualService/shop/theirs", 0, routed_by="shop/theirs")
    assert predict(wanted, "default", HTTP) == blocked
    elsewhere = routes(HOST, http=(HttpRule(route=(RouteTarget("bank2.example.com"),)),))
    sent = predict(seen(STRICT, entry("bank2"), virtual_services=(elsewhere,)), "default", HTTP)
    assert (sent.outcome, sent.upstreams) == (Outcome.REGISTERED, (Upstream("bank2.example.com", 80),))
    assert predict(wanted, "default", Destination("http", HOST, 8000)).resource == STRICT.name


def test_hosts_of_one_virtual_service_share_their_ports() -> None:
    """If one of them is registered with HTTP, the others are routed as well."""
    both = (routes("other.example.com", HOST),)
    for port in (80, 8080):
        bank = replace(BANK, ports=ports(f"{port}:HTTP"))
        there = seen(STRICT, bank, virtual_services=both)
        to = Destination("http", "other.example.com", port)
        expected = predict(there, "default", to)
        assert (expected.outcome, expected.resource) == (Outcome.BLOCKED, "VirtualService/shop/theirs")


def test_sidecar_hides_a_virtual_service() -> None:
    """VirtualServices are subject to the egress hosts as entries are."""
    elsewhere = routes(HOST, http=(HttpRule(route=(RouteTarget("bank2.example.com"),)),))
    assert predict(seen(BANK, virtual_services=(elsewhere,)), "default", HTTP).outcome is Outcome.BLOCKED
    wanted = seen(BANK, virtual_services=(elsewhere,), sidecars=(sidecar("default/*"),))
    assert predict(wanted, "default", HTTP).outcome is Outcome.REGISTERED


def test_injector_values() -> None:
    """Without a managed interception, the injector's own values apply."""
    injector = {
        "includeIPRanges": "*",
        "excludeIPRanges": "203.0.113.0/24",
        "includeOutboundPorts": "",
        "excludeOutboundPorts": "",
    }
    past = predict(seen(STRICT, injector=injector), "default", HTTP, address="203.0.113.9")
    assert past == Expectation(Outcome.BYPASSED, "ConfigMap/istio-system/istio-sidecar-injector", 0)
    assert predict(seen(interception(), injector=injector), "default", HTTP, address="203.0.113.9").outcome is (
        Outcome.PASSTHROUGH
    )
    step = explained(injector=injector).steps[0]
    assert step.startswith("Interception by ConfigMap istio-system/istio-sidecar-injector (unmanaged):")


def test_partly_known() -> None:
    """A missing, old or truncated inventory is a finding; a local cluster has no foreign objects."""

    def gap(report: ClusterReport) -> str:
        return next((f.cause for f in explained(BANK, report=report).findings if f.code == "EGR0604"), "")

    offline = replace(SETTLED, phase=Phase.OFFLINE)
    assert "has not been observed yet" in gap(ClusterReport(SETTLED, None))
    assert "is unreachable" in gap(ClusterReport(offline, inventory()))
    assert "is unreachable" in gap(ClusterReport(None, inventory()))
    assert "(3 services, 2 virtual services left out)" in gap(
        ClusterReport(SETTLED, inventory(left_out={"virtual_services": 2, "services": 3, "sidecars": 0}))
    )
    assert gap(ClusterReport(SETTLED, inventory(left_out={"services": 0}))) == ""
    local = History(cluster(), BANK)
    assert explain(local.snapshot, effective(local.snapshot, cluster(), BIRTH), Request(HTTP, "default")).findings == ()


def test_what_the_cluster_does_not_hold() -> None:
    """It is among the last candidates, and a finding."""
    problem = Problem("FOREIGN_OWNER", "VirtualService shop/theirs owns the host")
    lost = (BANK, fault(), policy("ALLOW_ANY", "lab", scope=Scope("lab")), STRICT, interception())
    report = ClusterReport(
        SETTLED, inventory(), {each.name: problem for each in lost} | {"meshes/default/outboundPolicies/x": problem}
    )
    history = History(kubernetes(), *lost)
    wanted = replace(seen(), revision=9)
    explanation = explain(history.snapshot, wanted, Request(HTTP, "default"), report)
    held = [c for c in explanation.candidates if "does not hold it (FOREIGN_OWNER)" in c.reason]
    assert {c.resource for c in held} == {BANK.name, fault().name, STRICT.name, interception().name}
    assert [f.resource for f in explanation.findings if f.code == "EGR0606"] == [c.resource for c in held]


def test_unenforced_pods() -> None:
    """The first pods of the namespace on which policy is not enforced are named."""

    def record(*policy_gaps: PolicyGap) -> Inventory:
        return inventory(policy_gaps=policy_gaps)

    pods = [PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "default", f"p{n}", "has no sidecar") for n in range(4)]
    other = PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "lab", "x", "has no sidecar")
    by_sidecar = PolicyGap(PolicyGapKind.SIDECAR_ALLOWS_ANY, "Sidecar", "default", "x", "allows any")
    (finding,) = (f for f in explained(report=ClusterReport(SETTLED, record(*pods))).findings if f.code == "EGR0607")
    assert "Pod p0 (has no sidecar), Pod p1 (has no sidecar), Pod p2 (has no sidecar) and 1 more" in finding.cause
    assert "EGR0607" not in codes(explained(report=ClusterReport(SETTLED, record(other, by_sidecar))))
    (alone,) = (f for f in explained(report=ClusterReport(SETTLED, record(pods[0]))).findings if f.code == "EGR0607")
    assert " more" not in alone.cause


def test_verification_blames_no_foreign_object() -> None:
    """A probe that a foreign object decides is attributed to the cluster; an entry that a foreign one displaces is not
    verified by that one."""
    here = Workload("a1", "default", {})
    found = subjects(seen(mesh_mode="REGISTRY_ONLY"), {}, [here], [])
    assert [subject.resource for subject in found] == [kubernetes().name]
    displaced = entry("bank", namespace="lab", addresses=("203.0.113.9",))
    wanted = seen(displaced, entries=(THEIRS,))
    (subject, *_) = subjects(wanted, {displaced.name: None}, [here], [])
    assert subject.obstacle.startswith("ServiceEntry/")
    assert " takes precedence on port " in subject.obstacle


def test_equally_old_entries_of_one_namespace() -> None:
    """Both outcomes are possible, and a step says why; it names the addresses of one entry with several."""
    one = foreign("one", hosts=(HOST,), ports=ports("80:HTTP"))
    two = replace(foreign("two", hosts=(HOST,), ports=ports("81:HTTP")), labels={"app": "two"})
    explanation = explained(STRICT, entries=(one, two))
    assert {explanation.expected.outcome, *explanation.expected.also} == {Outcome.REGISTERED, Outcome.BLOCKED}
    assert explanation.steps[1] == (
        "Order: ServiceEntry default/one (unmanaged, last changed by helm) and ServiceEntry default/two (unmanaged, "
        f"last changed by helm) declare {HOST} and were created in the same second: istiod may take any of them "
        "first, so the outcome may change; the following steps show one case."
    )
    both = foreign("one", hosts=(HOST,), ports=ports("3306:TCP"), addresses=("203.0.113.1", "203.0.113.2"))
    explanation = explained(STRICT, to=TCP, entries=(both,), sidecars=(sidecar(f"./{HOST}"),))
    assert not any(step.startswith("Order:") for step in explanation.steps)
    there = seen(STRICT, entries=(both,), sidecars=(sidecar(f"./{HOST}"),))
    dialed = explain(History().snapshot, there, Request(TCP, "default", address="203.0.113.1"))
    assert f"has several addresses for {HOST} (203.0.113.1, 203.0.113.2)" in dialed.steps[1]
