"""What istiod configures next to foreign objects, one table per kind of object; each value was compared with istiod."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.istio.destination_rule import Subset, TlsMode, TrafficPolicy
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.istio.sidecar import EgressListener, EgressProxy
from egress_server.domain.istio.virtual_service import (
    ConnectionMatch,
    ConnectionRule,
    HttpRule,
    NamedMatch,
    RequestMatch,
    RouteTarget,
)
from egress_server.domain.model.resources import (
    Endpoint,
    MatchKind,
    Resolution,
    Resource,
    Route,
    StringMatch,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import AllocatedAddress, ForeignEntry
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome, Upstream
from egress_server.domain.simulate.evaluate import Request, evaluate, predict
from tests.support.inventories import (
    AFTER,
    BEFORE,
    destination_rule,
    foreign,
    inventory,
    kubernetes,
    routes,
    service,
    sidecar,
)
from tests.support.meshes import BIRTH, History, entry, interception, policy, ports

HOST, OTHER = "bank.example.com", "other.example.com"
HTTP, HTTPS = Destination("http", HOST, 80), Destination("https", HOST, 443)
STRICT = policy("REGISTRY_ONLY")
BANK, SECOND = entry("bank"), entry("other")
BLOCKED, REGISTERED, PASSTHROUGH = Outcome.BLOCKED, Outcome.REGISTERED, Outcome.PASSTHROUGH
VS = "VirtualService/shop/theirs"


def seen(*resources: Resource, **there: Any) -> Effective:
    """A cluster under REGISTRY_ONLY with these resources and foreign objects, and no Services."""
    east = kubernetes()
    return with_inventory(effective(History(east, STRICT, *resources).snapshot, east, BIRTH), inventory(**there))


def outcome(*resources: Resource, to: Destination = HTTP, address: str = "", **there: Any) -> Outcome:
    """The outcome for a workload of namespace default."""
    return predict(seen(*resources, **there), "default", to, address=address).outcome


def to_other(**match: Any) -> HttpRule:
    """A rule to the other host, for requests that match."""
    return HttpRule(match=(RequestMatch(**match),) if match else (), route=(RouteTarget(OTHER),))


@pytest.mark.parametrize(
    ("first", "second", "port", "expected"),
    [
        ({"ports": ports("443:TLS")}, {"ports": ports("80:HTTP")}, 80, REGISTERED),
        ({"ports": ports("443:TLS"), "resolution": Resolution.DNS}, {"ports": ports("80:HTTP")}, 80, BLOCKED),
        ({"ports": ports("443:TLS"), "labels": {"a": "b"}}, {"ports": ports("80:HTTP")}, 80, BLOCKED),
        ({"ports": ports("443:TLS", "80:TLS")}, {"ports": ports("80:HTTP", "443:HTTPS")}, 80, REGISTERED),
    ],
)
def test_merging(first: dict[str, Any], second: dict[str, Any], port: int, expected: Outcome) -> None:
    """A port that only an entry declares which is not merged has a route, but no cluster."""
    entries = (entry("one", hosts=(HOST,), **first), entry("two", hosts=(HOST,), **second))
    assert outcome(*entries, to=Destination("http", HOST, port)) is expected


def test_beside_a_foreign_entry() -> None:
    """A managed entry is never merged with an older foreign one of its namespace."""
    theirs = foreign("theirs", hosts=(HOST,), ports=ports("443:HTTPS"))
    expected = predict(seen(BANK, entries=(theirs,)), "default", HTTP)
    assert (expected.outcome, expected.resource) == (BLOCKED, "ServiceEntry/default/theirs")
    assert outcome(BANK, to=HTTPS, entries=(theirs,)) is REGISTERED


TO_BANK = HttpRule(route=(RouteTarget(HOST),))


@pytest.mark.parametrize(
    ("http", "expected", "upstreams"),
    [
        ((to_other(),), REGISTERED, {OTHER}),
        ((to_other(port=8080),), REGISTERED, {HOST}),
        ((to_other(source_namespace="shop"),), REGISTERED, {HOST}),
        ((to_other(uri=StringMatch(MatchKind.PREFIX, "/a")),), BLOCKED, set()),
        ((to_other(method=StringMatch(MatchKind.EXACT, "POST")), TO_BANK), REGISTERED, {HOST}),
        ((to_other(headers=(NamedMatch("x-a", StringMatch(MatchKind.EXACT, "1")),)),), REGISTERED, {OTHER}),
        ((to_other(without_headers=(NamedMatch("x-a", StringMatch(MatchKind.PRESENT)),)),), BLOCKED, set()),
        ((HttpRule(route=(RouteTarget("nobody.example.com"),)),), BLOCKED, set()),
        ((HttpRule(route=(RouteTarget(OTHER, 8080),)),), BLOCKED, set()),
        ((HttpRule(route=(RouteTarget(OTHER, 0, "v1"),)),), BLOCKED, set()),
        ((HttpRule(answers="directResponse", status=200),), BLOCKED, set()),
        ((HttpRule(route=(RouteTarget(HOST, weight=50), RouteTarget(OTHER, weight=50))),), REGISTERED, {HOST, OTHER}),
    ],
)  # fmt: skip
def test_http_rules(http: tuple[HttpRule, ...], expected: Outcome, upstreams: set[str]) -> None:
    """The first rule that matches decides; without one the sidecar answers 404, and destinations that don't exist
    503."""
    there = seen(BANK, SECOND, virtual_services=(routes(HOST, http=http),))
    found = predict(there, "default", HTTP, headers={"X-A": "1"})
    assert (found.outcome, {each.host for each in found.upstreams}) == (expected, upstreams)
    assert (found.resource == VS) is (upstreams != {HOST} and upstreams != {HOST, OTHER})


def test_half_of_the_requests_lead_nowhere() -> None:
    """Both outcomes agree."""
    http = (HttpRule(route=(RouteTarget(HOST, weight=60), RouteTarget("nobody.example.com", weight=40))),)
    found = predict(seen(BANK, virtual_services=(routes(HOST, http=http),)), "default", HTTP)
    assert (found.outcome, found.also) == (REGISTERED, (BLOCKED,))


def test_delegates() -> None:
    """Rules of a delegate apply with the conditions of the root; one that does not exist has none."""
    root = routes(HOST, http=(HttpRule(delegate="shop/leaf"),))
    leaf = replace(routes(namespace="shop", http=(to_other(),)), name="leaf")
    found = predict(seen(BANK, SECOND, virtual_services=(root, leaf)), "default", HTTP)
    assert (found.upstreams, found.routed_by) == ((Upstream(OTHER, 80),), "shop/theirs")
    assert predict(seen(BANK, virtual_services=(root,)), "default", HTTP).resource == BANK.name


TCP = Destination("tcp", "bank.example.com", 3306)
ELSEWHERE = (RouteTarget(OTHER, 3306),)
DATABASES = (
    entry("bank", ports=ports("3306:TCP"), addresses=("203.0.113.30",)),
    entry("other", ports=ports("3306:TCP"), addresses=("203.0.113.60",)),
)


@pytest.mark.parametrize(
    ("rules", "host"),
    [
        ((ConnectionRule((ConnectionMatch(port=3306),), ELSEWHERE),), OTHER),
        ((ConnectionRule((), ELSEWHERE),), OTHER),
        ((ConnectionRule((ConnectionMatch(port=3307),), ELSEWHERE),), HOST),
        ((ConnectionRule((ConnectionMatch(gateways=("edge",)),), ELSEWHERE),), HOST),
    ],
)
def test_tcp_rules(rules: tuple[ConnectionRule, ...], host: str) -> None:
    """They send connections to other hosts."""
    there = seen(*DATABASES, virtual_services=(routes(HOST, tcp=rules),))
    assert predict(there, "default", TCP, address="203.0.113.30").upstreams == (Upstream(host, 3306),)


def test_tls_rules() -> None:
    """By server name, which may be that of another host."""
    rule = ConnectionRule((ConnectionMatch(sni_hosts=(HOST,)),), (RouteTarget(OTHER),))
    there = seen(BANK, SECOND, virtual_services=(routes(HOST, tls=(rule,)),))
    found = predict(there, "default", HTTPS)
    assert (found.upstreams, found.resource) == ((Upstream(OTHER, 443),), VS)


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        (("*/*",), HOST, REGISTERED),
        (("*/*", f"~prod/{HOST}"), HOST, BLOCKED),
        (("prod/bank.example.com",), HOST, REGISTERED),
        (("./*",), HOST, BLOCKED),
        (("*/*.example.com",), HOST, REGISTERED),
    ],
)
def test_egress_hosts(hosts: tuple[str, ...], host: str, expected: Outcome) -> None:
    """Of a Sidecar's listener without a port."""
    there = sidecar(*hosts, listeners=(EgressListener(hosts),))
    assert outcome(entry("bank", namespace="prod"), to=HTTP, sidecars=(there,)) is expected


def test_listeners_by_port() -> None:
    """A listener with a port serves that port only, and no other listener adds anything there."""
    only = sidecar("*/*", listeners=(EgressListener(("*/*",), 80, "HTTP"),))
    assert outcome(BANK, sidecars=(only,)) is REGISTERED
    assert outcome(BANK, to=HTTPS, sidecars=(only,)) is BLOCKED
    both = sidecar("*/*", listeners=(EgressListener(("prod/*",), 80, "HTTP"), EgressListener(("*/*",))))
    assert outcome(entry("web", namespace="prod"), BANK, sidecars=(both,)) is BLOCKED
    assert outcome(entry("web", namespace="prod"), BANK, to=HTTPS, sidecars=(both,)) is REGISTERED


def test_egress_proxy() -> None:
    """It gets what is unregistered, if that may pass."""
    proxy = sidecar(mode="ALLOW_ANY", egress_proxy=EgressProxy(HOST, 443))
    found = predict(seen(BANK, sidecars=(proxy,)), "default", Destination("https", "x.example.net", 443))
    assert (found.outcome, found.upstreams) == (REGISTERED, (Upstream(HOST, 443),))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ((policy("ALLOW_ANY", "web", scope=Scope("default", {"app": "web"})),), REGISTERED),
        ((policy("ALLOW_ANY", "all-of-it", scope=Scope("default")),), REGISTERED),
        ((policy("REGISTRY_ONLY", "all-of-it", scope=Scope("default")),), BLOCKED),
        (
            (
                policy("REGISTRY_ONLY", "all-of-it", scope=Scope("default")),
                policy("ALLOW_ANY", "web", scope=Scope("default", {"app": "web"})),
            ),
            PASSTHROUGH,
        ),
    ],
)
def test_a_managed_sidecar_copies_the_egress_proxy(policies: tuple[Resource, ...], expected: Outcome) -> None:
    """Unless it sets REGISTRY_ONLY, with which Istio refuses it."""
    root = sidecar(namespace="istio-system", mode="ALLOW_ANY", egress_proxy=EgressProxy(HOST, 443))
    to = Destination("https", "x.example.net", 443)
    assert predict(seen(BANK, *policies, sidecars=(root,)), "default", to, {"app": "web"}).outcome is expected


@pytest.mark.parametrize(
    ("mesh", "export_to", "expected"),
    [
        (MeshSettings(), (), REGISTERED),
        (MeshSettings(default_service_export_to=(".",)), (), BLOCKED),
        (MeshSettings(default_service_export_to=(".",)), ("*",), REGISTERED),
        (MeshSettings(private_namespaces=("prod",)), ("*",), BLOCKED),
        (MeshSettings(hidden_namespaces=("prod",)), ("*",), BLOCKED),
        (MeshSettings(), ("~",), BLOCKED),
    ],
)
def test_visibility_of_foreign_entries(mesh: MeshSettings, export_to: tuple[str, ...], expected: Outcome) -> None:
    """MeshConfig has a default for exportTo, and may restrict it."""
    theirs = foreign("bank", namespace="prod", export_to=export_to)
    assert outcome(entries=(theirs,), mesh=mesh) is expected


def test_managed_entries_say_where_they_are_exported_to() -> None:
    """MeshConfig's default does not apply to them; namespaces that istiod does not read don't count."""
    ours = entry("bank", namespace="prod")
    assert outcome(ours, mesh=MeshSettings(default_service_export_to=(".",))) is REGISTERED
    assert outcome(ours, ignored_namespaces=("prod",)) is BLOCKED


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resolution": Resolution.STATIC}, Outcome.UNREACHABLE),
        ({"resolution": Resolution.STATIC, "endpoints": (Endpoint("203.0.113.9"),)}, REGISTERED),
        ({"resolution": Resolution.DNS}, REGISTERED),
        ({"resolution": Resolution.DNS, "hosts": ("*.example.com",)}, Outcome.UNREACHABLE),
        ({"resolution": Resolution.NONE, "hosts": ("*.example.com",)}, REGISTERED),
        ({"resolution": Resolution.DYNAMIC_DNS, "hosts": ("*.example.com",)}, REGISTERED),
        ({"hosts": ("BANK.example.com",)}, BLOCKED),
        ({"ports": ports("80:UDP")}, BLOCKED),
        ({"ports": ports("80")}, REGISTERED),
    ],
)
def test_foreign_entries(fields: dict[str, Any], expected: Outcome) -> None:
    """Without endpoints there is nothing to send to, the case of names counts for clusters, and UDP is not served."""
    assert outcome(entries=(foreign("bank", **fields),)) is expected


def test_selected_workloads() -> None:
    """If no workload is selected, there is no endpoint."""
    static = entry("bank", resolution=Resolution.STATIC, workload_selector={"app": "bank"})
    for addresses, expected in (((), Outcome.UNREACHABLE), (("10.0.0.1",), REGISTERED)):
        theirs = ForeignEntry(static, BEFORE, "helm", selected_addresses=addresses)
        assert outcome(entries=(theirs,)) is expected


SUBSETS = destination_rule(HOST, subsets=(Subset("v1", {"v": "1"}),))


@pytest.mark.parametrize(("subset", "expected"), [("v1", REGISTERED), ("v2", BLOCKED)])
def test_subsets(subset: str, expected: Outcome) -> None:
    """A subset must be defined by the DestinationRule that applies, and some endpoint must have its labels."""
    http = (HttpRule(route=(RouteTarget(HOST, 0, subset),)),)
    endpoints = (Endpoint("203.0.113.9", labels={"v": "1"}),)
    bank = entry("bank", resolution=Resolution.STATIC, endpoints=endpoints)
    there: dict[str, Any] = {"virtual_services": (routes(HOST, http=http),), "destination_rules": (SUBSETS,)}
    assert outcome(bank, **there) is expected
    empty = replace(bank, endpoints=(Endpoint("203.0.113.9"),))
    assert outcome(empty, **there) is (Outcome.UNREACHABLE if subset == "v1" else BLOCKED)
    assert outcome(replace(empty, resolution=Resolution.DNS), **there) is BLOCKED


SIMPLE = TrafficPolicy(is_set=True, tls=TlsMode.SIMPLE)


@pytest.mark.parametrize(
    ("rules", "tls"),
    [
        ((destination_rule(HOST, policy=SIMPLE),), TlsMode.SIMPLE),
        ((destination_rule("*.example.com", policy=SIMPLE),), TlsMode.SIMPLE),
        ((destination_rule("*.com", namespace="istio-system", policy=SIMPLE),), TlsMode.SIMPLE),
        ((destination_rule(HOST, namespace="shop", policy=SIMPLE),), None),
        ((destination_rule(HOST, policy=TrafficPolicy(True, TlsMode.SIMPLE, {80: None})),), None),
        ((destination_rule(HOST), destination_rule(HOST, name="b", born=AFTER, policy=SIMPLE)), TlsMode.SIMPLE),
        ((destination_rule(HOST, policy=SIMPLE, workload_labels={"app": "web"}),), None),
        ((destination_rule("*.example.com", policy=SIMPLE), destination_rule(HOST)), None),
    ],
)  # fmt: skip
def test_destination_rules(rules: tuple[Any, ...], tls: TlsMode | None) -> None:
    """From the client's, the entry's or the root namespace, for the closest host; rules for one host are merged."""
    evaluation = evaluate(seen(BANK, destination_rules=rules), Request(HTTP, "default"))
    assert [sent.tls for sent in evaluation.path.all_sent] == [tls]


def test_headless_services() -> None:
    """Their opaque ports have a listener at the address of each pod."""
    db = service("db", ports=ports("3306:TCP", "80:HTTP"), addresses=(), endpoint_addresses=("10.0.0.7",))
    to = Destination("tcp", db.host, 3306)
    assert outcome(to=to, address="10.0.0.7", services=(db,)) is REGISTERED
    assert outcome(to=to, services=(db,)) is REGISTERED
    assert outcome(to=to, address="10.0.0.8", services=(db,)) is BLOCKED


def test_services() -> None:
    """One without endpoints has none to send to, and an ExternalName is another name for its target."""
    empty = service(endpoint_addresses=())
    assert outcome(to=Destination("http", empty.host, 80), services=(empty,)) is Outcome.UNREACHABLE
    alias = service("alias", addresses=(), external_name=HOST)
    to = Destination("http", alias.host, 80)
    assert outcome(to=to, services=(alias,)) is BLOCKED
    assert predict(seen(BANK, services=(alias,)), "default", to).upstreams == (Upstream(HOST, 80),)


def test_an_entry_for_the_host_of_an_external_name_service() -> None:
    """The Service takes the host from it, and has no cluster."""
    alias = service("alias", addresses=(), external_name="gone.example.com")
    to = Destination("http", alias.host, 80)
    named = entry("alias", namespace="prod", hosts=(alias.host,))
    assert outcome(named, to=to) is REGISTERED
    assert outcome(named, to=to, services=(alias,)) is BLOCKED


@pytest.mark.parametrize(("born", "expected"), [(BEFORE, HOST), (AFTER, OTHER)])
def test_a_managed_virtual_service_beside_an_older_foreign_one(born: datetime, expected: str) -> None:
    """It is not applied, even if the foreign one has only rules for TLS."""
    tls = (ConnectionRule((ConnectionMatch(port=443, sni_hosts=(HOST,)),), (RouteTarget(OTHER),)),)
    routed = entry("bank", traffic=TrafficSettings(routes=(Route((WeightedDestination(OTHER),)),)))
    there = seen(routed, SECOND, virtual_services=(routes(HOST, born=born, tls=tls),))
    assert predict(there, "default", HTTP).upstreams == (Upstream(expected, 80),)


def test_allocated_addresses() -> None:
    """With DNS capture, TCP entries have listeners at the addresses that istiod allocates."""
    first, second = entry("bank", ports=ports("3306:TCP")), entry("other", ports=ports("3306:TCP"))
    assert predict(seen(first, second), "default", Destination("tcp", OTHER, 3306)).upstreams[0].host == HOST
    allocated = tuple(
        AllocatedAddress("default", each.name.rpartition("/")[2], each.hosts[0], f"240.240.0.{number}")
        for number, each in enumerate((first, second), 1)
    )
    there = seen(first, second, allocated=allocated, mesh=MeshSettings(dns_capture=True))
    assert predict(there, "default", Destination("tcp", OTHER, 3306)).upstreams[0].host == OTHER


def test_dynamic_dns() -> None:
    """Under ALLOW_ANY_DYNAMIC_DNS every connection waits for the client's first bytes."""
    dynamic = sidecar(mode="ALLOW_ANY_DYNAMIC_DNS")
    assert outcome(sidecars=(dynamic,)) is PASSTHROUGH
    assert outcome(to=HTTPS, sidecars=(dynamic,)) is PASSTHROUGH
    assert outcome(to=TCP, sidecars=(dynamic,)) is Outcome.INCONCLUSIVE


def test_one_address_range() -> None:
    """A range of one address is that address, with a listener of its own."""
    assert outcome(
        entry("db", ports=ports("3306:TCP"), addresses=("203.0.113.9/32",)), to=TCP, address="203.0.113.9"
    ) is (REGISTERED)


@pytest.mark.parametrize("ranges", [{"include_cidrs": ("10.97.0.0/16",)}, {"exclude_cidrs": ("203.0.113.0/24",)}])
def test_unknown_addresses_are_never_blocked(ranges: dict[str, Any]) -> None:
    """If it is not known whether the sidecar gets a connection, blocking is not certain, and passing agrees with
    bypassing."""
    out = interception(**ranges)
    assert outcome(out) is Outcome.INCONCLUSIVE
    found = predict(seen(BANK, out), "default", HTTP)
    assert (found.outcome, found.also) == (REGISTERED, (Outcome.BYPASSED,))


def test_diverted_from_a_managed_entry() -> None:
    """Only an unmanaged VirtualService that leads elsewhere takes connections from a managed entry."""

    def diverted(*resources: Resource, **there: Any) -> Upstream | None:
        return predict(seen(*resources, **there), "default", HTTP).diverted_from

    assert diverted(BANK, SECOND, virtual_services=(routes(HOST, http=(to_other(),)),)) == Upstream(HOST, 80)
    assert diverted(BANK, virtual_services=(routes(HOST),)) is None
    theirs = foreign("bank", hosts=(HOST,))
    assert diverted(SECOND, entries=(theirs,), virtual_services=(routes(HOST, http=(to_other(),)),)) is None
