"""What is not ours decides as well: expectations and explanations on a cluster that holds other people's objects."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.explain.caveats import ClusterReport
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.model.resources import Resource, Retries, Scope, TrafficSettings
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.inventory import ForeignVirtualService, Inventory, PolicyGap, PolicyGapKind
from egress_server.domain.probe.judge import Destination, Expectation, Outcome
from egress_server.domain.simulate.evaluate import Request, decide, evaluate
from egress_server.domain.simulate.registry import OwnerKind, registry
from egress_server.domain.verify import Workload, subjects
from tests.support.inventories import AFTER, BEFORE, foreign, inventory, kubernetes, routes, service, sidecar
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports

HOST = "bank.example.com"
HTTP, HTTPS, TCP = Destination("http", HOST, 80), Destination("https", HOST, 443), Destination("tcp", HOST, 3306)
BANK, STRICT = entry("bank"), policy("REGISTRY_ONLY")
LEGACY = "ServiceEntry/shop/bank"
THEIRS = foreign("bank", namespace="shop")
WINDOW = service(addresses=())
SETTLED = ClusterStatus("east", Phase.SETTLED, 9)


def seen(*resources: Resource, **there: Any) -> Effective:
    """A Kubernetes cluster with these of ours and that of others; it has an HTTP service on 80, unless said
    otherwise."""
    east = kubernetes()
    wanted = effective(History(east, *resources).snapshot, east, BIRTH)
    return with_inventory(wanted, inventory(**{"services": (WINDOW,), **there}))


def explained(
    *resources: Resource, to: Destination = HTTP, told: ClusterReport | None = None, **there: Any
) -> Explanation:
    """The explanation for a workload of namespace default."""
    record = inventory(**{"services": (WINDOW,), **there})
    history = History(kubernetes(), *resources)
    return explain(
        history.snapshot, seen(*resources, **there), Request(to, "default"), told or ClusterReport(SETTLED, record)
    )


def codes(explanation: Explanation) -> list[str]:
    """Of its findings."""
    return [finding.code for finding in explanation.findings]


def test_entry_of_others_registers() -> None:
    """What somebody else registered is registered; steps and candidates say whose it is."""
    explanation = explained(STRICT, entries=(THEIRS,))
    assert explanation.expected == Expectation(Outcome.REGISTERED, LEGACY, 0)
    assert (
        f"Registry: ServiceEntry shop/bank (not ours, by helm) registers {HOST} port 80 as HTTP." in explanation.steps
    )
    assert explanation.candidates[0].resource == LEGACY
    assert explanation.candidates[0].wins
    assert codes(explanation) == []


def test_older_entry_of_others_takes_the_host() -> None:
    """Older wins, whosever it is; and the client's own namespace wins over that."""
    assert evaluate(seen(BANK, entries=(THEIRS,)), "default", HTTP).resource == BANK.name
    assert evaluate(seen(BANK, entries=(THEIRS,)), "lab", HTTP).resource == LEGACY
    younger = replace(THEIRS, create_time=AFTER)
    assert evaluate(seen(BANK, entries=(younger,)), "lab", HTTP).resource == BANK.name
    why = next(i.why for i in registry(seen(BANK, entries=(THEIRS,)), "lab", 80) if i.entry == BANK)
    assert why.endswith("is taken from shop, that of the oldest")


def test_exported_by_name_comes_before_older_ones_for_all() -> None:
    """Istio looks at what is exported to a namespace by name before what is exported to all."""
    named = entry("bank", export_to=("lab",))
    items = registry(seen(named, entries=(THEIRS,)), "lab", 80)
    taken = next(item for item in items if item.entry.name == LEGACY)
    assert taken.shadowed_by == named.name
    assert "the oldest that is exported to lab by name" in taken.why


def test_service_comes_before_entries() -> None:
    """An entry for the host of a Service in another namespace is not heeded, even where it is older."""
    host = "web.shop.svc.cluster.local"
    older = foreign("odd", namespace="prod", hosts=(host,))
    web = service(create_time=AFTER)
    items = registry(seen(entries=(older,), services=(web,)), "default", 80)
    assert {item.entry.name: item.serves for item in items} == {
        "ServiceEntry/prod/odd": False,
        "Service/shop/web": True,
    }
    assert [item.owner_kind for item in items] == [OwnerKind.SERVICE_ENTRY, OwnerKind.SERVICE]
    assert "a Service comes before entries" in items[0].why


@pytest.mark.parametrize("host", ["web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "10.96.0.10"])
def test_services_by_their_names(host: str) -> None:
    """A Service is reached by its short names and its address."""
    wanted = seen(STRICT, services=(service(),))
    assert evaluate(wanted, "default", Destination("http", host, 80)).resource == "Service/shop/web"
    assert evaluate(wanted, "default", Destination("http", "web", 80)).outcome is Outcome.BLOCKED
    assert evaluate(wanted, "shop", Destination("http", "web", 80)).outcome is Outcome.REGISTERED


def test_tcp_services_at_their_address() -> None:
    """A TCP port of a Service is told apart by the Service's address, and takes nothing else."""
    wanted = seen(STRICT, services=(service(ports=ports("3306:TCP")),))
    assert evaluate(wanted, "default", TCP, address="10.96.0.10").resource == "Service/shop/web"
    assert evaluate(wanted, "default", TCP, address="203.0.113.9").outcome is Outcome.BLOCKED


def test_port_80_without_http() -> None:
    """Where it is known that no HTTP service has port 80, the port is what entries make it."""
    raw = entry("raw", ports=ports("80:TCP"))
    known = seen(raw, services=())
    assert not decide(known, Request(HTTP, "default")).listener.reads_http
    assert evaluate(known, "default", HTTP).resource == raw.name
    assert decide(seen(raw, services=(), left_out={"services": 1}), Request(HTTP, "default")).listener.reads_http
    assert decide(seen(raw), Request(HTTP, "default")).listener.reads_http
    hidden = seen(raw, sidecars=(sidecar("./*"),))
    assert not decide(hidden, Request(HTTP, "default")).listener.reads_http


def test_service_makes_a_port_http() -> None:
    """With an HTTP port of a Service the sidecar reads what comes first on the port, and a server that speaks first is
    not heard."""
    raw = entry("raw", ports=ports("8000:TCP"))
    silent = Destination("tcp", HOST, 8000)
    assert evaluate(seen(raw), "default", silent).resource == raw.name
    expected = evaluate(seen(raw, services=(service(ports=ports("8000:HTTP")),)), "default", silent)
    assert (expected.outcome, expected.resource) == (Outcome.INCONCLUSIVE, "Service/shop/web")


def test_sidecar_hides_an_entry() -> None:
    """An entry that no egress host has does not exist for the workload; the finding says where to add it."""
    explanation = explained(STRICT, entry("bank", namespace="prod"), sidecars=(sidecar("./*"),))
    assert explanation.expected.outcome is Outcome.BLOCKED
    (finding,) = (f for f in explanation.findings if f.code == "EGR0602")
    assert "not among the egress hosts of Sidecar default/theirs (not ours, by helm)" in finding.cause
    assert finding.fix == f"add prod/{HOST} to the egress hosts of that Sidecar"


def test_sidecar_says_the_mode() -> None:
    """A Sidecar of others displaces the mesh's policy in its namespace."""
    explanation = explained(STRICT, sidecars=(sidecar(mode="ALLOW_ANY"),))
    assert explanation.expected == Expectation(Outcome.PASSTHROUGH, "Sidecar/default/theirs", 0)
    assert explanation.steps[-1] == (
        "Outbound policy: Sidecar default/theirs (not ours, by helm) comes to ALLOW_ANY, so what nobody registered "
        "passes."
    )
    whys = {candidate.resource: candidate.why for candidate in explanation.candidates}
    assert whys[STRICT.name] == "Sidecar default/theirs (not ours, by helm) displaces it for the workload"
    assert "nobody registered the destination" in whys["Sidecar/default/theirs"]
    registered = explained(BANK, sidecars=(sidecar(mode="REGISTRY_ONLY"),))
    assert registered.candidates[-1].why.endswith("has no say in what is decided before")


def test_mesh_config_says_the_mode() -> None:
    """Where no policy and no Sidecar speaks, MeshConfig does."""
    explanation = explained(mesh_mode="REGISTRY_ONLY")
    assert explanation.expected == Expectation(Outcome.BLOCKED, "ConfigMap/istio-system/istio", 0)
    assert "ConfigMap istio-system/istio (not ours) comes to REGISTRY_ONLY" in explanation.steps[-1]


def test_virtual_service_of_others_routes() -> None:
    """What is older and not ours routes alone: our fault does nothing, and a finding says so."""
    treated = replace(BANK, traffic=TrafficSettings(retries=Retries(3)))
    explanation = explained(treated, fault(), virtual_services=(routes(HOST),))
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert explanation.steps[-1].startswith("Routes: VirtualService shop/theirs (not ours, by helm) routes requests to")
    whys = {candidate.resource: candidate.why for candidate in explanation.candidates}
    assert whys[fault().name] == f"VirtualService/shop/theirs routes requests to {HOST}, and it is not ours"
    assert whys["VirtualService/shop/theirs"].startswith("it routes requests to")
    found = [f for f in explanation.findings if f.code == "EGR0605"]
    assert [f.resource for f in found] == [BANK.name, fault().name]
    assert "egressctl cluster adopt east VirtualService/shop/theirs" in found[0].fix


def test_younger_virtual_service_of_others() -> None:
    """One that came after ours is not heeded."""
    explanation = explained(BANK, fault(), virtual_services=(routes(HOST, born=AFTER),))
    assert explanation.expected.resource == fault().name
    assert [c.resource for c in explanation.candidates if c.resource.startswith("Virtual")] == [
        "VirtualService/shop/theirs"
    ]


@pytest.mark.parametrize(
    ("there", "outcome", "also"),
    [
        (routes(HOST, faults=True), Outcome.REGISTERED, (Outcome.FAULTED,)),
        (routes(HOST, answers=True), Outcome.INCONCLUSIVE, ()),
        (routes("*.example.com"), Outcome.FAULTED, ()),
        (routes(HOST, export_to=(".",)), Outcome.FAULTED, ()),
        (routes(HOST, export_to=("default",)), Outcome.REGISTERED, ()),
        (routes(HOST, namespace="default", export_to=(".",)), Outcome.REGISTERED, ()),
        (routes(HOST, mesh=False), Outcome.FAULTED, ()),
        (routes("*"), Outcome.FAULTED, ()),
    ],
)
def test_which_virtual_service(there: Any, outcome: Outcome, also: tuple[Outcome, ...]) -> None:
    """Exact beats wildcard; what is not exported to the client, or for gateways only, does not count."""
    expected = evaluate(seen(BANK, fault(), virtual_services=(there,)), "default", HTTP)
    assert (expected.outcome, expected.also) == (outcome, also)


def test_virtual_service_for_a_host_that_nobody_registered() -> None:
    """It routes on port 80, and where to is not known."""
    wanted = seen(STRICT, virtual_services=(routes(HOST),))
    assert evaluate(wanted, "default", HTTP) == Expectation(Outcome.INCONCLUSIVE, "VirtualService/shop/theirs", 0)
    assert evaluate(wanted, "default", Destination("http", HOST, 8000)).outcome is Outcome.BLOCKED


def test_hosts_of_one_virtual_service_share_their_ports() -> None:
    """Where one of them is registered with HTTP, those that are not are routed as well."""
    both = (ForeignVirtualService("shop", "theirs", ("other.example.com", HOST), BEFORE),)
    for port in (80, 8080):
        bank = replace(BANK, ports=ports(f"{port}:HTTP"))
        there = seen(STRICT, bank, virtual_services=both)
        to = Destination("http", "other.example.com", port)
        assert evaluate(there, "default", to) == Expectation(Outcome.INCONCLUSIVE, "VirtualService/shop/theirs", 0)


def test_sidecar_hides_a_virtual_service() -> None:
    """Routes are told by the egress hosts as entries are."""
    wanted = seen(BANK, fault(), virtual_services=(routes(HOST),), sidecars=(sidecar("default/*"),))
    assert evaluate(wanted, "default", HTTP).outcome is Outcome.FAULTED


def test_injector_of_others() -> None:
    """Where no interception of ours holds, the injector's own values do."""
    injector = {
        "includeIPRanges": "*",
        "excludeIPRanges": "203.0.113.0/24",
        "includeOutboundPorts": "",
        "excludeOutboundPorts": "",
    }
    past = evaluate(seen(STRICT, injector=injector), "default", HTTP, address="203.0.113.9")
    assert past == Expectation(Outcome.BYPASSED, "ConfigMap/istio-system/istio-sidecar-injector", 0)
    assert evaluate(seen(interception(), injector=injector), "default", HTTP, address="203.0.113.9").outcome is (
        Outcome.PASSTHROUGH
    )
    step = explained(injector=injector).steps[0]
    assert step.startswith("Interception by ConfigMap istio-system/istio-sidecar-injector (not ours):")


def test_partly_known() -> None:
    """Where the record is missing, old or cut short, a finding says so; a local cluster has nothing besides ours."""

    def gap(told: ClusterReport) -> str:
        return next((f.cause for f in explained(BANK, told=told).findings if f.code == "EGR0604"), "")

    offline = replace(SETTLED, phase=Phase.OFFLINE)
    assert "nobody has looked yet" in gap(ClusterReport(SETTLED, None))
    assert "can't be reached" in gap(ClusterReport(offline, inventory()))
    assert "can't be reached" in gap(ClusterReport(None, inventory()))
    assert "left out are 3 services, 2 virtual services" in gap(
        ClusterReport(SETTLED, inventory(left_out={"virtual_services": 2, "services": 3, "sidecars": 0}))
    )
    assert gap(ClusterReport(SETTLED, inventory(left_out={"services": 0}))) == ""
    local = History(cluster(), BANK)
    assert explain(local.snapshot, effective(local.snapshot, cluster(), BIRTH), Request(HTTP, "default")).findings == ()


def test_what_the_cluster_does_not_hold() -> None:
    """It is told as the last of the candidates, and by a finding."""
    problem = Problem("FOREIGN_OWNER", "VirtualService shop/theirs owns the host")
    lost = (BANK, fault(), policy("ALLOW_ANY", "lab", scope=Scope("lab")), STRICT, interception())
    told = ClusterReport(
        SETTLED, inventory(), {each.name: problem for each in lost} | {"meshes/default/outboundPolicies/x": problem}
    )
    history = History(kubernetes(), *lost)
    wanted = replace(seen(), revision=9)
    explanation = explain(history.snapshot, wanted, Request(HTTP, "default"), told)
    held = [c for c in explanation.candidates if "does not hold it (FOREIGN_OWNER)" in c.why]
    assert {c.resource for c in held} == {BANK.name, fault().name, STRICT.name, interception().name}
    assert [f.resource for f in explanation.findings if f.code == "EGR0606"] == [c.resource for c in held]


def test_pods_escape() -> None:
    """Pods of the namespace that no policy holds are named, the first of them."""

    def record(*policy_gaps: PolicyGap) -> Inventory:
        return inventory(policy_gaps=policy_gaps)

    pods = [PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "default", f"p{n}", "has no sidecar") for n in range(4)]
    other = PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "lab", "x", "has no sidecar")
    by_sidecar = PolicyGap(PolicyGapKind.SIDECAR_ALLOWS_ANY, "Sidecar", "default", "x", "allows any")
    (finding,) = (f for f in explained(told=ClusterReport(SETTLED, record(*pods))).findings if f.code == "EGR0607")
    assert "Pod p0 (has no sidecar), Pod p1 (has no sidecar), Pod p2 (has no sidecar) and 1 more" in finding.cause
    assert "EGR0607" not in codes(explained(told=ClusterReport(SETTLED, record(other, by_sidecar))))
    (alone,) = (f for f in explained(told=ClusterReport(SETTLED, record(pods[0]))).findings if f.code == "EGR0607")
    assert " more" not in alone.cause


def test_verification_blames_no_object_of_others() -> None:
    """A check that something of others decides is the cluster's own; an entry that others displace is not verified by
    theirs."""
    here = Workload("a1", "default", {})
    found = subjects(seen(mesh_mode="REGISTRY_ONLY"), {}, [here], [])
    assert [subject.resource for subject in found] == [kubernetes().name]
    displaced = entry("bank", namespace="lab", addresses=("203.0.113.9",))
    wanted = seen(displaced, entries=(THEIRS,))
    (subject, *_) = subjects(wanted, {displaced.name: None}, [here], [])
    assert subject.obstacle == "another entry for its host takes precedence over it"
