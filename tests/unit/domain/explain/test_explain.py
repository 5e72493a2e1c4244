"""Explanations: in agreement with what probes are held against, and telling of every loser why."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import effective
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.model.resources import Abort, Delay, HeaderMatch, Resource, Scope
from egress_server.domain.probe.judge import Destination, Outcome
from egress_server.domain.simulate.evaluate import Request, evaluate
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports, selector

HOST = "bank.example.com"
HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
BANK = entry("bank")
BLOCK = policy("REGISTRY_ONLY")


def explained(*resources: Resource, to: Destination = HTTP, namespace: str = "default", **more: Any) -> Explanation:
    """The explanation on one cluster that holds these."""
    history = History(cluster("east", zone="a"), *resources)
    wanted = effective(history.snapshot, cluster("east", zone="a"), BIRTH)
    return explain(history.snapshot, wanted, Request(to, namespace, **more))


def whys(explanation: Explanation) -> dict[str, str]:
    """Why, by the id of the resource."""
    return {c.resource.rpartition("/")[2]: c.why for c in explanation.candidates}


def test_registered() -> None:
    """A registered destination: the steps in the order of the way, the entry first among the candidates."""
    explanation = explained(BLOCK, BANK)
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert explanation.steps == (
        "Interception by default: all addresses are included, so the sidecar gets the connection.",
        f"Port 80 is read as HTTP (by {BANK.name}): requests are told apart by their Host.",
        f"Registry: {BANK.name} registers {HOST} port 80 as HTTP.",
    )
    first, *others = explanation.candidates
    assert (first.resource, first.wins, first.revision) == (BANK.name, True, 4)
    assert [c.wins for c in others] == [False]
    assert whys(explanation) == {
        "bank": f"it registers {HOST} port 80 as HTTP",
        "all": "it holds for the workload (REGISTRY_ONLY), and has no say in what is decided before",
    }


def test_blocked_and_passed() -> None:
    """What nobody registered is left to the outbound policy, and without any to Istio's default."""
    blocked = explained(BLOCK)
    assert blocked.steps[-1] == f"Outbound policy: {BLOCK.name} is REGISTRY_ONLY, so what nobody registered is refused."
    assert whys(blocked) == {"all": "it holds for the workload, and nobody registered the destination"}
    assert explained(policy("ALLOW_ANY")).steps[-1].endswith("is ALLOW_ANY, so what nobody registered passes.")
    assert explained().steps[-1] == (
        "Outbound policy: none is set, and Istio's default lets what nobody registered pass."
    )


def test_bypassed() -> None:
    """Past the sidecar nothing else has a say, and everything else says so."""
    out = interception(exclude_cidrs=("203.0.113.0/24",))
    explanation = explained(BLOCK, BANK, fault(), out, address="203.0.113.9")
    assert explanation.expected.outcome is Outcome.BYPASSED
    assert explanation.steps == (
        f"Interception by {out.name}: 203.0.113.9 is in the excluded range 203.0.113.0/24, "
        "so the connection goes past the sidecar.",
        "Past the sidecar neither registry nor faults nor outbound policy mean anything.",
    )
    assert explanation.candidates[0].resource == out.name
    assert "never meets the sidecar" in whys(explanation)["bank"]
    assert whys(explanation)["broken"] == "the connection never meets the sidecar"


def test_address_that_is_not_known() -> None:
    """Where interception depends on an address that nobody looked up, the steps say on which."""
    explanation = explained(interception(exclude_cidrs=("203.0.113.0/24",)))
    assert "not captured where its address is in 203.0.113.0/24" in explanation.steps[0]
    assert "what follows is for a connection that is captured" in explanation.steps[0]


def test_fault() -> None:
    """A fault that disturbs the request wins; the others say what keeps them from it."""
    half = fault("half", abort=Abort(503, percent=50.0), delay=Delay(2.0, percent=25.0))
    narrow = fault("narrow", match_headers=(HeaderMatch("x-user"),))
    explanation = explained(BANK, half, narrow, fault("later"), fault("else", host="*.example.com"))
    assert explanation.steps[-1] == (
        f"Fault: {half.name} delays 25 % of the requests by 2 s and answers 50 % with HTTP 503. "
        "Others pass undisturbed."
    )
    assert explanation.candidates[0].resource == half.name
    reasons = whys(explanation)
    assert reasons["narrow"] == "it is for requests whose header x-user is there"
    assert reasons["later"].startswith(f"{half.name} comes before it")
    assert reasons["else"] == "requests to this host are routed by another host's rules"
    assert reasons["bank"].endswith("; a request that the fault lets go comes here")


def test_fault_that_does_nothing() -> None:
    """A fault on a host does nothing to its TLS, and that is a finding."""
    explanation = explained(BANK, fault(), to=HTTPS)
    assert explanation.expected.outcome is Outcome.REGISTERED
    assert whys(explanation)["broken"] == "it disturbs HTTP requests, and the sidecar sees none here"
    finding = next(f for f in explanation.findings if f.code == "EGR0601")
    assert (finding.resource, "does nothing here" in finding.cause) == (fault().name, True)
    assert not any(f.code == "EGR0601" for f in explained(BANK, fault()).findings)


def test_entry_that_is_not_seen() -> None:
    """An entry that the namespace does not see says so, as a candidate and as a finding."""
    hidden = entry("hidden", namespace="prod", hosts=(HOST,), export_to=(".",))
    explanation = explained(BLOCK, hidden)
    assert explanation.expected.outcome is Outcome.BLOCKED
    assert whys(explanation)["hidden"] == "exported to its own namespace and not to default"
    finding = next(f for f in explanation.findings if f.code == "EGR0602")
    assert (finding.resource, finding.fix) == (hidden.name, "add default to its export_to")


def test_entries_that_lose() -> None:
    """Entries lose by namespace, by age, by a closer host, by what they lack: each says by what."""
    wide = entry("wide", hosts=("*.example.com",))
    older = entry("older", hosts=(HOST,), ports=ports("443:TLS", "81:HTTP"))
    foreign = entry("foreign", namespace="prod", hosts=(HOST,))
    explanation = explained(wide, foreign, older, BANK, to=HTTPS)
    assert explanation.candidates[0].resource == older.name
    reasons = whys(explanation)
    assert reasons["bank"] == f"an older entry of namespace default declares port 443 of {HOST}"
    assert reasons["foreign"].endswith("is taken from default, the client's own")
    assert reasons["wide"] == f"{older.name} comes before it: {HOST} is closer than *.example.com"
    lacks = explained(entry("lacks", hosts=(HOST,), ports=ports("81:HTTP")))
    assert whys(lacks) == {"lacks": f"it registers {HOST}, and no port 80 of it"}


def test_port_taken() -> None:
    """A TCP entry without addresses that takes the connection of another host is named, with a finding."""
    db = entry("db", ports=ports("3306:TCP"))
    explanation = explained(BLOCK, db, to=Destination("tcp", HOST, 3306))
    assert explanation.expected.resource == db.name
    assert "without addresses, which takes every connection to the port" in explanation.steps[-1]
    assert whys(explanation)["db"].endswith(f"which takes this connection to {HOST} too")
    assert "EGR0603" in {f.code for f in explanation.findings}


def test_port_that_can_not_be_read() -> None:
    """Silence to a port that waits for the client's first bytes is told for what it is."""
    waits = explained(BANK, to=Destination("tcp", HOST, 443))
    assert waits.steps[-1] == (
        f"Port 443 waits for the client's first bytes, to find out what is spoken (by {BANK.name}): "
        "silence gets nowhere."
    )
    assert waits.expected.outcome is Outcome.INCONCLUSIVE
    assert waits.candidates[0].why == "it has the sidecar wait for the client's first bytes on port 443"


def test_what_a_port_tells_apart() -> None:
    """The step about the port says by what: Host, server name, address, or nothing."""
    plain, range_ = entry("plain", ports=ports("443:HTTP")), ("203.0.113.0/24",)

    def step(*resources: Resource, to: Destination = HTTPS, **more: Any) -> str:
        return explained(*resources, to=to, **more).steps[1]

    assert step(plain) == "Port 443 is read as HTTP, and this is none: nothing tells such connections apart."
    assert step(plain, BANK) == "Port 443 is read as HTTP, and this is none: connections are told apart by server name."
    assert step(BANK) == "Port 443 is not read as HTTP: connections are told apart by server name."
    raw = entry("raw", ports=ports("443:TCP"), addresses=range_)
    assert step(raw) == "Port 443 is not read as HTTP: connections are told apart by address."
    to_range = step(plain, raw, to=Destination("http", HOST, 443), address="203.0.113.9")
    assert to_range == "Port 443 is not read as HTTP: connections are told apart by address."
    assert step(entry("raw", ports=ports("443:TCP"))) == (
        "Port 443 is not read as HTTP: nothing tells such connections apart."
    )


def test_policies_that_lose() -> None:
    """Policies lose by selector, by age, by scope, by labels: each says by what."""
    named = policy("ALLOW_ANY", "named", cluster_selector=selector("east"))
    labelled = policy("REGISTRY_ONLY", "labelled", cluster_selector=selector(zone="a"))
    twin = policy("REGISTRY_ONLY", "twin", cluster_selector=selector("east"))
    elsewhere = policy("REGISTRY_ONLY", "elsewhere", cluster_selector=selector("west"))
    web = policy("REGISTRY_ONLY", "web", scope=Scope("default", {"app": "web"}))
    shop = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))
    explanation = explained(named, labelled, twin, elsewhere, web, shop)
    assert explanation.expected.resource == named.name
    assert whys(explanation) == {
        "named": "it holds for the workload, and nobody registered the destination",
        "labelled": f"{named.name} is for the same scope: named clusters beat labels, and labels beat all",
        "twin": f"{named.name} is for the same scope and clusters alike, and older",
        "web": "it is for workloads labelled app=web",
    }
    narrower = explained(named, web, labels={"app": "web"})
    assert whys(narrower)["named"] == f"{web.name} is for a narrower scope, which wins"


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
def test_agrees_with_expect(
    resources: list[Resource], destination: Destination, namespace: str, address: str, headers: dict[str, str]
) -> None:
    """An explanation says what probes are held against; the resource that decides is the one winner, and has steps."""
    history = History(cluster(), *resources)
    wanted = effective(history.snapshot, cluster(), BIRTH)
    asked = Request(destination, namespace, {}, address, headers)
    explanation = explain(history.snapshot, wanted, asked)
    expected = evaluate(wanted, namespace, destination, address=address, headers=headers)
    assert explanation.expected == expected
    assert [c.resource for c in explanation.candidates if c.wins] == ([expected.resource] if expected.resource else [])
    assert explanation.steps
    assert all(candidate.why for candidate in explanation.candidates)
    assert len({c.resource for c in explanation.candidates}) == len(explanation.candidates)
