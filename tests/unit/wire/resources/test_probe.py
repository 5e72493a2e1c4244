"""Probe, Explain and ListRegistry through the transport: what is read, what is refused, what is written."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from egress.v1 import explain_pb2, probe_pb2
from egress_server.commands.explain import Basis, Explain, Explained, ListRegistry, RegistryPage
from egress_server.commands.probe import JudgedAttempt, Probe, ProbeResult
from egress_server.contract.probe import curl_command
from egress_server.domain.explain.candidates import Candidate
from egress_server.domain.explain.explain import Explanation
from egress_server.domain.live.decision import LiveDecision, LiveReport
from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.probe.agreement import summarize
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, Timings
from egress_server.domain.probe.verdicts import Cause, Expectation, Outcome, Verdict, quantiles
from egress_server.domain.simulate.evaluate import Request
from egress_server.domain.simulate.registry import RegistryItem
from egress_server.ports.agents import AgentInfo
from egress_server.wire import METHODS
from tests.support.meshes import BIRTH, entry

SERVICE = "/egress.v1.EgressService/"
PROBE, EXPLAIN, REGISTRY = (METHODS[SERVICE + name] for name in ("Probe", "Explain", "ListRegistry"))
CLUSTER = "meshes/default/clusters/east"
EAST = Name("default", ResourceKind.CLUSTER, "east")


def probing(url: str, **fields: Any) -> Probe:
    """What a request asks for."""
    probe = PROBE.decode(probe_pb2.ProbeRequest(cluster=CLUSTER, url=url, **fields))
    assert isinstance(probe, Probe)
    return probe


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("http://WWW.Example.com", Destination("http", "www.example.com", 80)),
        ("https://www.example.com./a?b", Destination("https", "www.example.com", 443, "/a?b")),
        ("tcp://db.example.com:3306", Destination("tcp", "db.example.com", 3306)),
        ("tcp://DB.example.com.:3306/", Destination("tcp", "db.example.com", 3306)),
        ("tls://www.example.com:443", Destination("tls", "www.example.com", 443)),
        ("tls://[2001:db8::1]:443", Destination("tls", "2001:db8::1", 443)),
    ],
)
def test_urls(url: str, destination: Destination) -> None:
    """URLs are normalized: lower case, without a final dot, with the default port of the scheme."""
    assert probing(url).attempt.destination == destination


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("ftp://www.example.com", "must begin with http://, https://, tls:// or tcp://"),
        ("www.example.com", "must begin with"),
        ("tcp://db.example.com", "must have a port, as in tcp://db.example.com:443"),
        ("tls://db.example.com", "must have a port"),
        ("tcp://db.example.com:3306/a", "must be tcp://HOST:PORT"),
        ("tls://db.example.com:443?a", "must be tls://HOST:PORT"),
        ("tcp://user@db.example.com:3306", "must not contain a user name"),
        ("tcp://:3306", "must have a DNS name"),
        ("tcp://db.example.com:0", "port 0 must be 1 to 65535"),
        ("tcp://db.example.com:65536", "is not a valid URL"),
        ("", "must be an http, https, tls or tcp URL"),
    ],
)
def test_bad_urls(url: str, wrong: str) -> None:
    """A URL that can't be probed is refused with the reason."""
    with pytest.raises(InvalidArgument) as refused:
        probing(url)
    assert [v.field for v in refused.value.violations] == ["url"]
    assert wrong in refused.value.violations[0].description
    with pytest.raises(InvalidArgument):
        EXPLAIN.decode(explain_pb2.ExplainRequest(cluster=CLUSTER, url=url))


@pytest.mark.parametrize(("count", "read"), [(0, 1), (1, 1), (100, 100)])
def test_count(count: int, read: int) -> None:
    """The number of attempts; one by default."""
    assert probing("http://www.example.com", count=count).count == read


@pytest.mark.parametrize(
    ("url", "fields", "field"),
    [
        ("http://www.example.com", {"count": -1}, "count"),
        ("http://www.example.com", {"count": 101}, "count"),
        ("tcp://www.example.com:1", {"headers": {"x-a": "1"}}, "headers"),
        ("tls://www.example.com:1", {"headers": {"x-a": "1"}}, "headers"),
        ("tcp://www.example.com:1", {"resolve": "127.0.0.1"}, "resolve"),
        ("tls://www.example.com:1", {"resolve": "169.254.169.254"}, "resolve"),
    ],
)
def test_refused(url: str, fields: dict[str, Any], field: str) -> None:
    """Nonsense, and destinations that must not be probed, are refused by field."""
    with pytest.raises(InvalidArgument) as refused:
        probing(url, **fields)
    assert [v.field for v in refused.value.violations] == [field]


def test_method_is_no_matter_to_a_connection() -> None:
    """A client that always sends a method may do so for tcp as well."""
    assert probing("tcp://db.example.com:3306", method="HEAD").attempt.method == "HEAD"


@pytest.mark.parametrize(
    ("attempt", "command"),
    [
        (Attempt(Destination("http", "a.example.com", 80)), "curl -sSI --max-time 10 http://a.example.com/"),
        (
            Attempt(Destination("https", "a.example.com", 443), "GET", {"x-a": "b c"}, "203.0.113.9", 2.5),
            "curl -sS -o /dev/null -D - -k --http1.1 -H 'x-a: b c' --resolve a.example.com:443:203.0.113.9 "
            "--max-time 2.5 https://a.example.com/",
        ),
        (
            Attempt(Destination("tcp", "db.example.com", 3306)),
            "curl -sSv --max-time 10 telnet://db.example.com:3306",
        ),
        (
            Attempt(Destination("tls", "db.example.com", 8443)),
            "curl -sSv -k --http1.1 --max-time 10 https://db.example.com:8443",
        ),
    ],
)
def test_curl(attempt: Attempt, command: str) -> None:
    """The curl command makes the same request, as far as curl can."""
    assert curl_command(attempt) == command


HEADERS = (("server", "envoy"),)
EVIDENCE = Evidence(True, status=200, headers=HEADERS, address="203.0.113.9:80", timings=Timings(total=0.25))
AGENT = AgentInfo("curl-0", "east", "default", "", "0.1.0")


def result(*outcomes: Outcome) -> ProbeResult:
    """A probe with these outcomes."""
    expected = Expectation(Outcome.REGISTERED, entry("bank").name, 7)
    made = tuple(JudgedAttempt(EVIDENCE, Verdict(o, "", (Cause(o.value, "text", "seen"),))) for o in outcomes)
    return ProbeResult(
        agent=AGENT,
        attempt=Attempt(Destination("http", "bank.example.com", 80)),
        attempts=made,
        summary=summarize([each.verdict for each in made], expected),
        quantiles=quantiles([0.25]),
        expected=expected,
        applied_revision=9,
        cut_short=(Cause("CUT_SHORT", "text", "5 of 9"),),
    )


def test_response() -> None:
    """The response has the outcome, the counts, each attempt's own outcome, and headers of the first three."""
    r, b = Outcome.REGISTERED, Outcome.BLOCKED
    response = PROBE.encode(result(r, b, r, r, r))
    assert isinstance(response, probe_pb2.ProbeResponse)
    plain = MessageToDict(response)
    assert (plain["outcome"], plain["agrees"]) == ("REGISTERED", False)
    assert plain["counts"] == {"REGISTERED": 4, "BLOCKED": 1}
    assert plain["expected"] == {"outcome": "REGISTERED", "resource": entry("bank").name, "revision": "7"}
    assert [a["outcome"] for a in plain["attempts"]] == ["REGISTERED", "BLOCKED", *["REGISTERED"] * 3]
    assert [len(a.headers) for a in response.attempts] == [1, 1, 1, 0, 0]
    assert plain["quantiles"] == dict.fromkeys(("min", "p50", "p90", "p99", "max"), "0.250s")
    assert [c["code"] for c in plain["causes"]] == ["REGISTERED", "CUT_SHORT"]


def test_longest_response() -> None:
    """A hundred attempts with the longest possible heads fit into a message of 4 MiB."""
    long = result(*[Outcome.REGISTERED] * 100)
    head = tuple(("x" * 400, "y" * 100) for _ in range(64))
    made = tuple(JudgedAttempt(replace(m.evidence, headers=head), m.verdict) for m in long.attempts)
    assert PROBE.encode(replace(long, attempts=made)).ByteSize() < 256 * 1024


def test_no_quantiles() -> None:
    """Without a response there are no durations."""
    response = PROBE.encode(replace(result(Outcome.BLOCKED), quantiles=None))
    assert not response.HasField("quantiles")


def test_explain() -> None:
    """Explain takes a workload, in `default` unless a namespace is given, and returns everything."""
    request = explain_pb2.ExplainRequest(cluster=CLUSTER, labels={"app": "web"}, url="tcp://db.example.com:3306")
    assert EXPLAIN.decode(request) == Explain(
        EAST, Request(Destination("tcp", "db.example.com", 3306), "default", {"app": "web"}, method="HEAD")
    )
    finding = Finding("EGR0603", Severity.WARNING, "url", "cause", "fix", "resource")
    explanation = Explanation(
        Expectation(Outcome.BYPASSED, "meshes/default/interceptions/x", 3),
        ("one", "two"),
        (Candidate("meshes/default/interceptions/x", 3, True, "why"),),
        (finding,),
        12,
    )
    assert MessageToDict(EXPLAIN.encode(Explained(explanation))) == {
        "expected": {"outcome": "BYPASSED", "resource": "meshes/default/interceptions/x", "revision": "3"},
        "steps": ["one", "two"],
        "candidates": [{"resource": "meshes/default/interceptions/x", "revision": "3", "wins": True, "reason": "why"}],
        "findings": [
            {
                "code": "EGR0603",
                "severity": "WARNING",
                "field": "url",
                "resource": "resource",
                "cause": "cause",
                "fix": "fix",
            }
        ],
        "revision": "12",
        "basis": "MODEL",
    }


def test_explain_every_field() -> None:
    """The request is described as for a probe, and the basis may be chosen."""
    pb = explain_pb2.ExplainRequest
    request = pb(
        cluster=CLUSTER,
        namespace="shop",
        url="http://a.example.com/x",
        method="GET",
        headers={"x-user": "me"},
        resolve="203.0.113.7",
        basis=pb.LIVE,
    )
    to = Destination("http", "a.example.com", 80, "/x")
    assert EXPLAIN.decode(request) == Explain(
        EAST, Request(to, "shop", {}, "203.0.113.7", {"x-user": "me"}, "GET"), Basis.LIVE
    )


def test_explain_live() -> None:
    """What the sidecar's configuration says comes with the agent that evaluated it, and its age."""
    decision = LiveDecision(Outcome.REGISTERED, "SENT", owner="shop/x")
    live = LiveReport(decision, address="203.0.113.7", updated="2026-01-02T03:04:05Z")
    explanation = Explanation(Expectation(Outcome.REGISTERED), (), (), (), 12, live=live)
    found = MessageToDict(EXPLAIN.encode(Explained(explanation, AgentInfo("a1", "east", "shop", "east", "1"))))
    assert (found["basis"], found["basisTime"], found["agent"]) == ("LIVE", "2026-01-02T03:04:05Z", "a1")
    assert (found["live"]["cause"], found["live"]["virtualService"]) == ("SENT", "shop/x")


def test_explain_model() -> None:
    """A prediction is as old as what was observed on the cluster."""
    explanation = Explanation(Expectation(Outcome.REGISTERED), (), (), (), 12, observe_time=BIRTH)
    found = MessageToDict(EXPLAIN.encode(Explained(explanation)))
    assert (found["basis"], "agent" in found, "live" in found) == ("MODEL", False, False)
    assert found["basisTime"].startswith(f"{BIRTH:%Y-%m-%dT}")


@pytest.mark.parametrize("method", ["POST", "GET", "PROPFIND", "M-SEARCH", ""])
def test_explain_any_method(method: str) -> None:
    """Also those that a probe never sends: rules of routes and faults go by them."""
    asked = explain_pb2.ExplainRequest(cluster=CLUSTER, url="http://a.example.com", method=method)
    query = EXPLAIN.decode(asked)
    assert isinstance(query, Explain)
    assert query.request.method == (method or "HEAD")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"labels": {"a b": "c"}}, "labels"),
        ({"namespace": "A"}, "namespace"),
        ({"cluster": "east"}, "cluster"),
        ({"method": "post"}, "method"),
        ({"method": "GET "}, "method"),
        ({"method": "X" * 65}, "method"),
        ({"headers": {"host": "x"}}, "headers"),
        ({"resolve": "x"}, "resolve"),
        ({"basis": 9}, "basis"),
    ],
)
def test_explain_refuses(fields: dict[str, Any], field: str) -> None:
    """An invalid question is refused with its field."""
    whole = {"cluster": CLUSTER, "url": "http://a.example.com", **fields}
    with pytest.raises(InvalidArgument) as refused:
        EXPLAIN.decode(explain_pb2.ExplainRequest(**whole))
    assert refused.value.violations[0].field.startswith(field)


def test_registry() -> None:
    """ListRegistry is for one namespace's view, `default` if none is named; items are written with their reasons."""
    query = REGISTRY.decode(explain_pb2.ListRegistryRequest(parent=CLUSTER, order_by="host desc", page_size=5))
    assert isinstance(query, ListRegistry)
    assert (query.cluster, query.namespace) == (EAST, "default")
    assert (query.listing.descending, query.listing.page_size) == (True, 5)
    bank = entry("bank")
    shadowed = RegistryItem("bank.example.com", bank.ports[1], bank, reachable=False, shadowed_by="x", reason="older")
    theirs = replace(bank, name="ServiceEntry/shop/bank")
    items = (
        RegistryItem("bank.example.com", bank.ports[0], bank),
        shadowed,
        RegistryItem("bank.example.com", bank.ports[0], theirs),
    )
    page = RegistryPage(items, "next", 8, {theirs.name: "helm"})
    http = {"host": "bank.example.com", "port": 80, "protocol": "HTTP", "visible": True}
    assert MessageToDict(REGISTRY.encode(page)) == {
        "items": [
            {**http, "owner": bank.name, "ownerKind": "RESOURCE"},
            {
                "host": "bank.example.com",
                "port": 443,
                "protocol": "HTTPS",
                "owner": bank.name,
                "visible": True,
                "shadowedBy": "x",
                "reason": "older",
                "ownerKind": "RESOURCE",
            },
            {**http, "owner": theirs.name, "ownerKind": "SERVICE_ENTRY", "manager": "helm"},
        ],
        "nextPageToken": "next",
        "revision": "8",
    }


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"parent": "meshes/default"}, "parent"),
        ({"namespace": "-"}, "namespace"),
        ({"order_by": "port"}, "order_by"),
        ({"filter": "protocol = HTTP"}, "filter"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
    ],
)
def test_registry_refuses(fields: dict[str, Any], field: str) -> None:
    """An invalid list request is refused with its field."""
    with pytest.raises(InvalidArgument) as refused:
        REGISTRY.decode(explain_pb2.ListRegistryRequest(**{"parent": CLUSTER, **fields}))
    assert refused.value.violations[0].field == field
