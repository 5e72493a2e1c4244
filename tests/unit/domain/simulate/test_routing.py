"""What policy does with connections: interception, faults with their conditions, listeners by address and port."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import (
    Abort,
    Delay,
    HeaderMatch,
    MatchKind,
    Resource,
    Route,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import Scope
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Expectation, Outcome
from egress_server.domain.simulate.evaluate import Request, evaluate, predict
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports

HOST = "bank.example.com"
HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
BANK = entry("bank")
BLOCK = policy("REGISTRY_ONLY")


def held(*resources: Resource) -> Effective:
    """The policy in effect on one cluster, given these resources in this order."""
    return effective(History(cluster(), *resources).snapshot, cluster(), BIRTH)


def outcome(*resources: Resource, to: Destination = HTTP, namespace: str = "default", **more: Any) -> Outcome:
    """The expected outcome."""
    return predict(held(*resources), namespace, to, **more).outcome


def test_interception_decides_first() -> None:
    """Excluded connections are BYPASSED, whatever else is set; for others, interception does not decide."""
    out = interception(exclude_cidrs=("203.0.113.0/24",))
    wanted = held(BLOCK, BANK, fault(), out)
    assert predict(wanted, "default", HTTP, address="203.0.113.9") == Expectation(Outcome.BYPASSED, out.name, 6)
    assert predict(wanted, "default", HTTP, address="198.51.100.9").outcome is Outcome.FAULTED
    unknown = predict(wanted, "default", HTTP)
    assert (unknown.outcome, unknown.resource) == (Outcome.INCONCLUSIVE, out.name)


def test_interception_of_the_workload() -> None:
    """The interception for the workload's labels replaces that of its namespace, which replaces that of the mesh, each
    entirely."""
    mesh = interception("m", none=True)
    namespace = interception("n", scope=Scope("default"))
    workload = interception("w", scope=Scope("default", {"app": "web"}), exclude_outbound_ports=(443,))
    everything = (BANK, mesh, namespace, workload)
    assert outcome(*everything, namespace="shop") is Outcome.BYPASSED
    assert outcome(*everything) is Outcome.REGISTERED
    assert outcome(*everything, to=HTTPS, labels={"app": "web"}) is Outcome.BYPASSED
    assert outcome(*everything, labels={"app": "web"}) is Outcome.REGISTERED


def test_address_as_host() -> None:
    """A URL whose host is an address determines the address that is dialed."""
    out = interception(include_cidrs=("2001:db8::/32",))
    assert outcome(out, to=Destination("https", "2001:db8::1", 443)) is Outcome.PASSTHROUGH
    assert outcome(out, to=Destination("https", "203.0.113.9", 443)) is Outcome.BYPASSED


@pytest.mark.parametrize(
    ("fields", "more", "fits"),
    [
        ({}, {}, True),
        ({"ports": (80,)}, {}, True),
        ({"ports": (8080, 443)}, {}, False),
        ({"source_namespace": "default"}, {}, True),
        ({"source_namespace": "prod"}, {}, False),
        ({"source_labels": {"app": "web"}}, {"labels": {"app": "web", "v": "1"}}, True),
        ({"source_labels": {"app": "web"}}, {"labels": {"app": "api"}}, False),
        ({"source_labels": {"app": "web"}}, {}, False),
        ({"match_headers": (HeaderMatch("x-a"),)}, {"headers": {"X-A": ""}}, True),
        ({"match_headers": (HeaderMatch("x-a"),)}, {"headers": {"x-b": "1"}}, False),
        ({"match_headers": (HeaderMatch("x-a", MatchKind.EXACT, "1"),)}, {"headers": {"x-a": "1"}}, True),
        ({"match_headers": (HeaderMatch("x-a", MatchKind.EXACT, "1"),)}, {"headers": {"x-a": "11"}}, False),
        ({"match_headers": (HeaderMatch("x-a", MatchKind.PREFIX, "1"),)}, {"headers": {"x-a": "11"}}, True),
        ({"match_headers": (HeaderMatch("x-a", MatchKind.PREFIX, "1"),)}, {"headers": {"x-a": "21"}}, False),
        (
            {"match_headers": (HeaderMatch("x-a", MatchKind.EXACT, "1"), HeaderMatch("x-b"))},
            {"headers": {"x-a": "1"}},
            False,
        ),
        ({"host": "other.example.com"}, {}, False),
        ({"host": "*.example.com"}, {}, True),
    ],
)  # fmt: skip
def test_conditions_of_a_fault(fields: dict[str, Any], more: dict[str, Any], fits: bool) -> None:
    """A fault applies to requests to its host that satisfy all of its conditions, and to no others."""
    disturbing = fault(**fields)
    expected = predict(held(BANK, disturbing), "default", HTTP, **more)
    found = (expected.outcome, expected.resource, expected.fault_percent)
    assert found == ((Outcome.FAULTED, disturbing.name, 100.0) if fits else (Outcome.REGISTERED, BANK.name, 0.0))


@pytest.mark.parametrize(
    ("fields", "sometimes"),
    [
        ({"abort": Abort(503)}, False),
        ({"abort": Abort(503, percent=50.0)}, True),
        ({"abort": None, "delay": Delay(1.0, percent=50.0)}, True),
        ({"abort": Abort(503, percent=50.0), "delay": Delay(1.0)}, False),
        ({"match_headers": (HeaderMatch("accept", MatchKind.REGEX, "te.*"),)}, False),
        ({"match_headers": (HeaderMatch("accept", MatchKind.REGEX, "(?i)te.*"),)}, True),
    ],
)
def test_fault_that_may_spare(fields: dict[str, Any], sometimes: bool) -> None:
    """If a fault has a percentage, or only the sidecar can tell whether it matches, REGISTERED agrees as well."""
    expected = predict(held(BANK, fault(**fields)), "default", HTTP, headers={"accept": "text"})
    assert expected.outcome is Outcome.FAULTED
    assert expected.allows(Outcome.FAULTED)
    assert expected.allows(Outcome.REGISTERED) is sometimes


def test_order_of_faults() -> None:
    """The first matching fault applies: the one with the most conditions, of equals the oldest."""
    plain, other = fault("plain"), fault("other")
    narrow = fault("narrow", match_headers=(HeaderMatch("x-a"),))
    wanted = held(BANK, plain, other, narrow)
    assert predict(wanted, "default", HTTP).resource == plain.name
    assert predict(wanted, "default", HTTP, headers={"x-a": "1"}).resource == narrow.name


@pytest.mark.parametrize("protocol", ["HTTPS", "TLS", "TCP"])
def test_fault_needs_http(protocol: str) -> None:
    """On a port where the sidecar sees no requests, a fault has no effect."""
    bank = entry("bank", ports=ports(f"8443:{protocol}"))
    to = Destination("http" if protocol == "TCP" else "https", HOST, 8443)
    assert outcome(bank, fault(), to=to) is Outcome.REGISTERED


def test_fault_of_an_entry_that_is_not_seen() -> None:
    """A fault affects those who get the host from an entry of its namespace, however old other entries are."""
    hidden = entry("h", namespace="prod", hosts=(HOST,), export_to=(".",))
    for resources in ((hidden, BANK), (BANK, hidden)):
        assert outcome(*resources, fault()) is Outcome.FAULTED
        assert outcome(*resources, fault(namespace="prod")) is Outcome.REGISTERED


@pytest.mark.parametrize("to", [HTTPS, Destination("https", "other.example.com", 443), Destination("tcp", HOST, 443)])
def test_tls_at_a_single_address(to: Destination) -> None:
    """Its listener distinguishes nothing: every connection there goes to the entry."""
    there = entry("bank", addresses=("203.0.113.7",), ports=ports("443:TLS"))
    assert outcome(BLOCK, there, to=to, address="203.0.113.7") is Outcome.REGISTERED
    assert outcome(BLOCK, there, to=to, address="203.0.113.8") is Outcome.BLOCKED


def test_fault_without_an_entry() -> None:
    """A fault for an unregistered host applies on port 80 only, and requests that it skips lead nowhere."""
    some = fault(abort=Abort(503, percent=10.0))
    faulted = predict(held(some), "default", HTTP)
    assert (faulted.outcome, faulted.resource, faulted.also) == (Outcome.FAULTED, some.name, (Outcome.BLOCKED,))
    assert (faulted.fault_percent, faulted.upstreams) == (10, ())
    assert outcome(some, to=Destination("http", HOST, 8080)) is Outcome.PASSTHROUGH
    assert outcome(entry("wide", hosts=("*.example.com",)), some) is Outcome.FAULTED


@pytest.mark.parametrize("protocol", ["TCP", "TLS"])
def test_a_host_that_is_registered_there_does_not_stray(protocol: str) -> None:
    """Whatever protocol it is registered with."""
    opaque = entry("bank", ports=ports(f"80:{protocol}", "8080:HTTP"), addresses=("203.0.113.7",))
    assert outcome(opaque, fault(), address="198.51.100.7") is Outcome.PASSTHROUGH


def test_a_host_that_is_taken_from_another_namespace_strays_too() -> None:
    """A port that is hidden by another namespace counts as unregistered."""
    own, other = entry("own", hosts=(HOST,), ports=ports("8080:HTTP")), entry("other", namespace="prod", hosts=(HOST,))
    assert outcome(other, own) is Outcome.PASSTHROUGH
    assert outcome(other, own, fault()) is Outcome.FAULTED


def test_what_is_registered_on_other_ports_strays_to_port_80() -> None:
    """There its routes apply before the outbound policy, and lead nowhere."""
    elsewhere, some = entry("bank", ports=ports("8080:HTTP")), fault(ports=(8080,))
    assert outcome(elsewhere) is Outcome.PASSTHROUGH
    assert outcome(elsewhere, fault()) is Outcome.FAULTED
    stray = predict(held(elsewhere, some), "default", HTTP)
    assert (stray.outcome, stray.resource, stray.upstreams) == (Outcome.BLOCKED, elsewhere.name, ())
    slow = replace(elsewhere, traffic=TrafficSettings(timeout=3.0))
    assert predict(held(slow), "default", HTTP).outcome is Outcome.BLOCKED
    led = replace(elsewhere, traffic=TrafficSettings(routes=(Route((WeightedDestination("other.example.com"),)),)))
    assert outcome(led) is Outcome.BLOCKED
    assert outcome(led, entry("other")) is Outcome.REGISTERED
    assert outcome(replace(slow, export_to=("prod",))) is Outcome.PASSTHROUGH


def listener(*resources: Resource, to: Destination, address: str = "") -> tuple[Outcome, str]:
    """Outcome and the id of the resource that decides, under REGISTRY_ONLY."""
    expected = predict(held(BLOCK, *resources), "default", to, address=address)
    return expected.outcome, expected.resource.rpartition("/")[2]


TCP = Destination("tcp", "db.example.com", 3306)
DB = entry("db", ports=ports("3306:TCP"))
AT = entry("at", ports=ports("3306:TCP"), addresses=("203.0.113.9",))
RANGE = entry("range", ports=ports("3306:TCP"), addresses=("203.0.113.0/24",))
NARROW = entry("narrow", ports=ports("3306:TCP"), addresses=("203.0.113.0/28", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("entries", "address", "decides"),
    [
        ((DB,), "198.51.100.7", "db"),
        ((AT,), "203.0.113.9", "at"),
        ((AT,), "203.0.113.8", None),
        ((RANGE, NARROW), "203.0.113.9", "narrow"),
        ((RANGE, NARROW), "203.0.113.99", "range"),
        ((RANGE, NARROW), "2001:db8::1", "narrow"),
        ((RANGE, NARROW), "198.51.100.7", None),
        ((RANGE, DB), "203.0.113.99", "range"),
        ((RANGE, DB), "198.51.100.7", "db"),
        ((RANGE, AT), "203.0.113.9", "at"),
        ((RANGE, AT), "203.0.113.8", "range"),
    ],
)
def test_tcp_by_address(entries: tuple[Resource, ...], address: str, decides: str | None) -> None:
    """The single address before the smallest range, before an entry that captures every connection to the port."""
    expected = (Outcome.REGISTERED, decides) if decides else (Outcome.BLOCKED, "all")
    assert listener(*entries, to=TCP, address=address) == expected


def test_tcp_without_knowing_the_address() -> None:
    """If the address is unknown, the host's own entry is assumed to be dialed at its addresses."""
    assert listener(entry("db", ports=ports("3306:TCP"), addresses=("203.0.113.9",)), to=TCP) == (
        Outcome.REGISTERED,
        "db",
    )
    assert listener(RANGE, to=Destination("tcp", "range.example.com", 3306)) == (Outcome.REGISTERED, "range")
    assert listener(RANGE, to=TCP) == (Outcome.BLOCKED, "all")


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_tls_by_server_name(scheme: str) -> None:
    """TLS uses the server name; without one, or with an unregistered one, it goes to TCP without addresses, if there is
    any."""
    rest = entry("rest", ports=ports("443:TCP"))
    assert listener(BANK, rest, to=Destination(scheme, HOST, 443)) == (Outcome.REGISTERED, "bank")
    assert listener(BANK, rest, to=Destination(scheme, "x.example.com", 443)) == (
        Outcome.REGISTERED,
        "rest",
    )
    assert listener(BANK, to=Destination(scheme, "x.example.com", 443)) == (Outcome.BLOCKED, "all")
    assert listener(BANK, to=Destination(scheme, "203.0.113.9", 443)) == (Outcome.BLOCKED, "all")


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_tls_on_an_http_port(scheme: str) -> None:
    """TLS to a port that is declared as HTTP counts as unregistered; TLS to other hosts on it is registered."""
    plain, to = entry("plain", ports=ports("443:HTTP")), Destination(scheme, "plain.example.com", 443)
    assert listener(plain, to=to) == (Outcome.BLOCKED, "all")
    assert outcome(plain, to=to) is Outcome.PASSTHROUGH
    assert listener(plain, BANK, to=Destination(scheme, HOST, 443)) == (Outcome.REGISTERED, "bank")
    assert listener(plain, entry("rest", ports=ports("443:TCP")), to=to) == (Outcome.REGISTERED, "rest")


def test_http_beside_tcp() -> None:
    """HTTP is detected by its first bytes, unless it goes to an address in a range of TCP."""
    web, rest = entry("web", ports=ports("8000:HTTP")), entry("rest", ports=ports("8000:TCP"))
    to, other = Destination("http", "web.example.com", 8000), Destination("http", HOST, 8000)
    assert listener(web, rest, to=to) == (Outcome.REGISTERED, "web")
    assert listener(web, rest, to=other) == (Outcome.BLOCKED, "all")
    assert listener(rest, to=other) == (Outcome.REGISTERED, "rest")
    ranged = entry("range", ports=ports("8000:TCP"), addresses=("203.0.113.0/24",))
    assert listener(web, ranged, to=to, address="203.0.113.9") == (Outcome.REGISTERED, "range")
    assert listener(web, ranged, to=to, address="198.51.100.7") == (Outcome.REGISTERED, "web")
    silent = Destination("tcp", HOST, 8000)
    assert listener(web, ranged, to=silent, address="203.0.113.9") == (Outcome.INCONCLUSIVE, "web")


def test_silence_where_the_sidecar_waits() -> None:
    """A TCP connection to a port where the sidecar waits for the client's first bytes is inconclusive."""
    for protocol in ("HTTP", "TLS"):
        it = entry("it", ports=ports(f"3306:{protocol}", "80:HTTP"))
        assert predict(held(it), "default", TCP) == Expectation(Outcome.INCONCLUSIVE, it.name, 3)
    assert outcome(to=Destination("tcp", HOST, 80)) is Outcome.INCONCLUSIVE


def test_http_by_address() -> None:
    """An address of an entry replaces its host in a request."""
    assert outcome(entry("bank", addresses=("203.0.113.9",)), to=Destination("http", "203.0.113.9", 80)) is (
        Outcome.REGISTERED
    )


def test_final_dot() -> None:
    """A trailing dot is not part of the host."""
    for scheme, port in (("http", 80), ("https", 443), ("tls", 443)):
        assert outcome(BANK, to=Destination(scheme, f"{HOST}.", port)) is Outcome.REGISTERED


def test_decision_names_every_step() -> None:
    """An evaluation contains the result of each step, not only the outcome."""
    out = interception()
    decision = evaluate(held(BLOCK, BANK, fault(), out), Request(HTTP, "default"))
    assert decision.interception == out
    assert decision.capture.captured
    assert decision.owner is not None
    assert decision.owner.entry == BANK
    assert decision.fault is not None
    assert decision.fault.fault == fault()
    assert decision.path.mode.policy == BLOCK
