"""Explanations: they agree with what probes expect, and give a reason for every resource that does not decide."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import effective
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.model.resources import Abort, Delay, HeaderMatch, Resource, Retries, TrafficSettings
from egress_server.domain.model.selectors import Scope
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Request, predict
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports, selector

HOST = "bank.example.com"
HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
BANK = entry("bank")
BLOCK = policy("REGISTRY_ONLY")


def explained(*resources: Resource, to: Destination = HTTP, namespace: str = "default", **more: Any) -> Explanation:
    """The explanation on one cluster with these resources."""
    history = History(cluster("east", zone="a"), *resources)
    wanted = effective(history.snapshot, cluster("east", zone="a"), BIRTH)
    return explain(history.snapshot, wanted, Request(to, namespace, **more))


def reasons_of(explanation: Explanation) -> dict[str, str]:
    """The reasons, by id of the resource."""
    return {c.resource.rpartition("/")[2]: c.reason for c in explanation.candidates}


def test_registered() -> None:
    """A registered destination: the steps in the order of the path, the entry as the first candidate."""
    explanation = explained(BLOCK, BANK)
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert explanation.steps == (
        "Interception by default: all addresses are included, so the sidecar captures the connection.",
        f"Listener: port 80 is read as HTTP (because of {BANK.name}), and requests are distinguished by their Host.",
        f"Registry: {BANK.name} registers {HOST} port 80 as HTTP.",
    )
    first, *others = explanation.candidates
    assert (first.resource, first.wins, first.revision) == (BANK.name, True, 4)
    assert [c.wins for c in others] == [False]
    assert reasons_of(explanation) == {
        "bank": f"registers {HOST} port 80 as HTTP",
        "all": "applies to this workload (REGISTRY_ONLY), but an earlier rule already decided this connection",
    }


def test_blocked_and_passed() -> None:
    """Unregistered destinations are left to the outbound policy, and without any to Istio's default."""
    blocked = explained(BLOCK)
    assert blocked.steps[-1] == (
        f"Outbound policy: {BLOCK.name} is REGISTRY_ONLY, so connections to unregistered destinations are blocked."
    )
    assert reasons_of(blocked) == {"all": "applies to this workload, and the destination is unregistered"}
    assert (
        explained(policy("ALLOW_ANY"))
        .steps[-1]
        .endswith("is ALLOW_ANY, so connections to unregistered destinations may pass.")
    )
    assert explained().steps[-1] == (
        "Outbound policy: none is set, so connections to unregistered destinations may pass, which is Istio's default."
    )


def test_bypassed() -> None:
    """If a connection bypasses the sidecar, nothing else applies, and every candidate says that."""
    out = interception(exclude_cidrs=("203.0.113.0/24",))
    explanation = explained(BLOCK, BANK, fault(), out, address="203.0.113.9")
    assert explanation.expected.outcome is Outcome.BYPASSED
    assert explanation.steps == (
        f"Interception by {out.name}: 203.0.113.9 is in the excluded range 203.0.113.0/24, "
        "so the connection bypasses the sidecar.",
        "The registry, faults and the outbound policy don't apply to connections that bypass the sidecar.",
    )
    assert explanation.candidates[0].resource == out.name
    assert "but the connection bypasses the sidecar" in reasons_of(explanation)["bank"]
    assert reasons_of(explanation)["broken"] == "the connection bypasses the sidecar"


def test_address_that_is_not_known() -> None:
    """If interception depends on an unknown address, the steps say on which."""
    explanation = explained(interception(exclude_cidrs=("203.0.113.0/24",)))
    assert "it bypasses the sidecar if its address is in 203.0.113.0/24" in explanation.steps[0]
    assert "the following steps assume that it is captured" in explanation.steps[0]


def test_fault() -> None:
    """The fault that applies to the request decides; the others give the reason why they don't."""
    half = fault("half", abort=Abort(503, percent=50.0), delay=Delay(2.0, percent=25.0))
    narrow = fault("narrow", match_headers=(HeaderMatch("x-user"),))
    explanation = explained(BANK, half, narrow, fault("later"), fault("else", host="*.example.com"))
    assert explanation.steps[-1] == (
        f"Fault: {half.name} delays 25% of requests by 2 s and aborts 50% of requests with HTTP 503. "
        "Other requests are not affected."
    )
    assert explanation.candidates[0].resource == half.name
    reasons = reasons_of(explanation)
    assert reasons["narrow"] == "applies only to requests whose header x-user is present"
    assert reasons["later"].startswith(f"{half.name} takes precedence")
    assert reasons["else"] == "the rules of another host route these requests"
    assert reasons["bank"].endswith("; requests that the fault does not abort are sent here")


def test_fault_that_does_nothing() -> None:
    """A fault on a host has no effect on its TLS, and that is a finding."""
    explanation = explained(BANK, fault(), to=HTTPS)
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert reasons_of(explanation)["broken"] == "applies to HTTP requests, but the sidecar sees none in this connection"
    finding = next(f for f in explanation.findings if f.code == "EGR0601")
    assert (finding.resource, "has no effect" in finding.cause) == (fault().name, True)
    assert not any(f.code == "EGR0601" for f in explained(BANK, fault()).findings)


def test_a_finding_about_two_resources() -> None:
    """It is reported once, though each of the two would have it if it were set again."""
    bank = entry("bank", traffic=TrafficSettings(retries=Retries(2)))
    found = [f for f in explained(bank, fault()).findings if f.code == "EGR0207"]
    assert len(found) == 1


def test_entry_that_is_not_seen() -> None:
    """An entry that the namespace does not see is a candidate with that reason, and a finding."""
    hidden = entry("hidden", namespace="prod", hosts=(HOST,), export_to=(".",))
    explanation = explained(BLOCK, hidden)
    assert explanation.expected.outcome is Outcome.BLOCKED
    assert reasons_of(explanation)["hidden"] == "exported to its own namespace but not to default"
    finding = next(f for f in explanation.findings if f.code == "EGR0602")
    assert (finding.resource, finding.fix) == (hidden.name, "add default to its export_to")


def test_entries_that_lose() -> None:
    """Entries don't decide because of their namespace, age, host or ports: each gives the reason."""
    wide = entry("wide", hosts=("*.example.com",))
    older = entry("older", hosts=(HOST,), ports=ports("443:TLS", "81:HTTP"))
    foreign = entry("foreign", namespace="prod", hosts=(HOST,))
    explanation = explained(wide, foreign, older, BANK, to=HTTPS)
    assert explanation.candidates[0].resource == older.name
    reasons = reasons_of(explanation)
    assert reasons["bank"] == f"an older entry in namespace default already declares port 443 of {HOST}"
    assert reasons["foreign"].endswith("is provided by namespace default because it is the client's own namespace")
    assert reasons["wide"] == f"{older.name} takes precedence: {HOST} is a closer match than *.example.com"
    lacks = explained(entry("lacks", hosts=(HOST,), ports=ports("81:HTTP")))
    assert reasons_of(lacks) == {"lacks": f"registers {HOST}, but not port 80"}


def test_port_taken() -> None:
    """A TCP entry without addresses that captures the connection to another host is named, with a finding."""
    db = entry("db", ports=ports("3306:TCP"))
    explanation = explained(BLOCK, db, to=Destination("tcp", HOST, 3306))
    assert explanation.expected.resource == db.name
    assert "without addresses, which captures every connection to the port" in explanation.steps[-1]
    assert reasons_of(explanation)["db"].endswith(f"which also captures this connection to {HOST}")
    assert "EGR0603" in {f.code for f in explanation.findings}


def test_port_that_can_not_be_read() -> None:
    """A client that sends nothing to a port which waits for its first bytes will hang."""
    waits = explained(BANK, to=Destination("tcp", HOST, 443))
    assert waits.steps[-1] == (
        "Listener: on port 443 the sidecar waits for the client's first bytes to detect the protocol (because of "
        f"{BANK.name}), so connections on which the client sends nothing will hang."
    )
    assert waits.expected.outcome is Outcome.INCONCLUSIVE
    assert waits.candidates[0].reason == "makes the sidecar wait for the client's first bytes on port 443"


def test_what_a_port_tells_apart() -> None:
    """The listener step says how connections are distinguished: by Host, server name, address, or not at all."""
    plain, range_ = entry("plain", ports=ports("443:HTTP")), ("203.0.113.0/24",)

    def step(*resources: Resource, to: Destination = HTTPS, **more: Any) -> str:
        return explained(*resources, to=to, **more).steps[1]

    is_http = "Listener: port 443 is read as HTTP, but this connection is not HTTP"
    assert step(plain) == f"{is_http}; such connections are not distinguished."
    assert step(plain, BANK) == f"{is_http}; such connections are distinguished by server name."
    assert step(BANK) == "Listener: port 443 is not read as HTTP; such connections are distinguished by server name."
    raw = entry("raw", ports=ports("443:TCP"), addresses=range_)
    assert step(raw) == "Listener: port 443 is not read as HTTP; such connections are distinguished by address."
    to_range = step(plain, raw, to=Destination("http", HOST, 443), address="203.0.113.9")
    assert to_range == "Listener: port 443 is not read as HTTP; such connections are distinguished by address."
    assert step(entry("raw", ports=ports("443:TCP"))) == (
        "Listener: port 443 is not read as HTTP; such connections are not distinguished."
    )


def test_policies_that_lose() -> None:
    """Policies don't decide because of their selector, age, scope or labels: each gives the reason."""
    named = policy("ALLOW_ANY", "named", cluster_selector=selector("east"))
    labelled = policy("REGISTRY_ONLY", "labelled", cluster_selector=selector(zone="a"))
    twin = policy("REGISTRY_ONLY", "twin", cluster_selector=selector("east"))
    elsewhere = policy("REGISTRY_ONLY", "elsewhere", cluster_selector=selector("west"))
    web = policy("REGISTRY_ONLY", "web", scope=Scope("default", {"app": "web"}))
    shop = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))
    explanation = explained(named, labelled, twin, elsewhere, web, shop)
    assert explanation.expected.resource == named.name
    assert reasons_of(explanation) == {
        "named": "applies to this workload, and the destination is unregistered",
        "labelled": (
            f"{named.name} has the same scope and a higher rank: named clusters, then labels, then all clusters"
        ),
        "twin": f"{named.name} has the same scope and rank, and is older",
        "web": "applies only to workloads labeled app=web",
    }
    narrower = explained(named, web, labels={"app": "web"})
    assert reasons_of(narrower)["named"] == f"{web.name} has a narrower scope, which takes precedence"


_POOL: tuple[Resource, ...] = (
    BLOCK,
    policy("ALLOW_ANY", "ns", scope=Scope("default")),
    BANK,
    entry("wide", hosts=("*.example.com",), ports=ports("80:HTTP", "443:TLS", "3306:TCP")),
    entry("plain", hosts=("plain.example.com",), ports=ports("443:HTTP", "3306:HTTP")),
    entry("prod", namespace="prod", hosts=(HOST,), export_to=(".",)),
    entry("other", namespace="other", hosts=(HOST,), ports=ports("80:GRPC", "3306:TCP")),
    entry("db", ports=ports("3306:TCP"), addresses=("203.0.113.9", "198.51.100.0/24")),
    entry("rest", ports=ports("443:TCP", "3306:TCP")),
    fault(),
    fault("some", abort=None, delay=Delay(1.0, percent=10.0), ports=(80,)),
    fault("wide", host="*.example.com", match_headers=(HeaderMatch("x-a"),)),
    interception(exclude_cidrs=("203.0.113.0/28",), exclude_outbound_ports=(25,)),
    interception("none", scope=Scope("prod"), none=True, include_outbound_ports=(443,)),
)
_resources = st.lists(st.sampled_from(range(len(_POOL))), unique=True).map(lambda found: [_POOL[n] for n in found])
_destinations = st.builds(
    Destination,
    st.sampled_from(["http", "https", "tls", "tcp"]),
    st.sampled_from([HOST, f"{HOST}.", "x.example.com", "db.example.com", "203.0.113.9", "other.org"]),
    st.sampled_from([80, 443, 3306, 25]),
)


@settings(max_examples=300)
@given(
    _resources,
    _destinations,
    st.sampled_from(["default", "prod", "other"]),
    st.sampled_from(["", "203.0.113.9", "203.0.113.99", "198.51.100.7", "2001:db8::1"]),
    st.sampled_from([{}, {"x-a": "1"}]),
)
def test_agrees_with_predict(
    resources: list[Resource], destination: Destination, namespace: str, address: str, headers: dict[str, str]
) -> None:
    """An explanation agrees with what probes expect; the only winner is the resource that decides, and it has steps."""
    history = History(cluster(), *resources)
    wanted = effective(history.snapshot, cluster(), BIRTH)
    request = Request(destination, namespace, {}, address, headers)
    explanation = explain(history.snapshot, wanted, request)
    expected = predict(wanted, namespace, destination, address=address, headers=headers)
    assert explanation.expected == expected
    assert [c.resource for c in explanation.candidates if c.wins] == ([expected.resource] if expected.resource else [])
    assert explanation.steps
    assert all(candidate.reason for candidate in explanation.candidates)
    assert len({c.resource for c in explanation.candidates}) == len(explanation.candidates)
