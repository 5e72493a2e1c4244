"""Which route a request takes, and what happens there."""

from typing import Any

import pytest

from egress_server.domain.live.decision import LiveDecision, Question
from egress_server.domain.live.evaluate import evaluate
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from tests.support.envoy.resources import cluster, config_of, fault, http_listener, percent, route, route_table

ADDRESS = "203.0.113.7"
A, B = "outbound|80||a.example.com", "outbound|80|v1|b.example.com"
CLUSTERS = (cluster(A, "192.0.2.1:80"), cluster(B, "192.0.2.2:80"), cluster("outbound|80||empty", type="EDS"))


def ask(
    hosts: dict[str, Any], url: str = "a.example.com/", *, manager: dict[str, Any] | None = None, **question: Any
) -> LiveDecision:
    """The decision on a request to port 80 of `url`."""
    host, slash, path = url.partition("/")
    config = config_of(http_listener(80, **(manager or {})), routes=[route_table("80", hosts)], clusters=CLUSTERS)
    return evaluate(config, Question(Destination("http", host, 80, slash + path), ADDRESS, **question))


def taken(*matches: dict[str, Any], url: str = "a.example.com/", **question: Any) -> int | None:
    """The place of the route that the request takes, among routes with these matches; None for no route."""
    routes = [route(A, name=str(at), match=match) for at, match in enumerate(matches)]
    decision = ask({"*": routes}, url, **question)
    assert not decision.undecided
    return int(decision.routes[0].name) if decision.upstreams else None


@pytest.mark.parametrize(
    ("domains", "host", "expected"),
    [
        (["*", "a.example.com", "*.example.com"], "a.example.com", "a.example.com"),
        (["*", "A.Example.com"], "a.EXAMPLE.com", "A.Example.com"),
        (["*.com", "*.example.com"], "a.example.com", "*.example.com"),
        (["*a.example.com"], "a.example.com", None),  # a wildcard is at least one character
        (["*-a.example.com"], "x-a.example.com", "*-a.example.com"),
        (["a.*", "*.com"], "a.example.com", "*.com"),
        (["a.*", "a.example.*"], "a.example.org", "a.example.*"),
        (["b.example.com"], "a.example.com", None),
        (["a.example.com"], "a.example.com:80", "a.example.com"),
        (["a.example.com"], "a.example.com:8080", "a.example.com"),
    ],
)
def test_the_most_specific_domain_wins(domains: list[str], host: str, expected: str | None) -> None:
    """Exact, longest suffix, longest prefix, any; case and port don't matter."""
    decision = ask({domain: [route(A)] for domain in domains}, headers={"host": host})
    assert (decision.routes[0].virtual_host or None) == expected


@pytest.mark.parametrize(
    ("table", "manager", "expected"),
    [
        (False, {}, Outcome.BLOCKED),
        (False, {"strip_any_host_port": True}, Outcome.REGISTERED),
        (False, {"strip_matching_host_port": True}, Outcome.BLOCKED),
        (True, {}, Outcome.REGISTERED),
    ],
)
def test_a_port_in_the_host_counts_unless_it_is_ignored(
    table: bool, manager: dict[str, Any], expected: Outcome
) -> None:
    """By the route configuration or the connection manager."""
    written = {**route_table("80", {"a.example.com": [route(A)]}), "ignore_port_in_host_matching": table}
    config = config_of(http_listener(80, **manager), routes=[written], clusters=CLUSTERS)
    to = Question(Destination("http", "a.example.com", 80), ADDRESS, headers={"host": "a.example.com:81"})
    assert evaluate(config, to).outcome is expected


@pytest.mark.parametrize(
    ("match", "path", "expected"),
    [
        ({"prefix": "/a"}, "/ab?q", True),
        ({"prefix": "/A"}, "/ab", False),
        ({"prefix": "/A", "case_sensitive": False}, "/ab", True),
        ({"path": "/a"}, "/a?q=/b", True),
        ({"path": "/a"}, "/a/", False),
        ({"path_separated_prefix": "/a"}, "/a/b", True),
        ({"path_separated_prefix": "/a"}, "/a", True),
        ({"path_separated_prefix": "/a"}, "/ab", False),
        ({"safe_regex": {"regex": "/a[0-9]+"}}, "/a12?q", True),
        ({"safe_regex": {"regex": "/a[0-9]+"}}, "/a12/b", False),
        ({"connect_matcher": {}}, "/", False),
        ({"prefix": "/", "grpc": {}}, "/", False),
        ({"prefix": "/", "query_parameters": [{"name": "q", "present_match": True}]}, "/?q=1", True),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, "/", True),
        ({"prefix": "/", "headers": [{"name": ":authority", "string_match": {"prefix": "b"}}]}, "/", False),
    ],
)
def test_matches(match: dict[str, Any], path: str, expected: bool) -> None:
    """Each kind of path, with what else is required."""
    assert taken(match, url=f"a.example.com{path}") == (0 if expected else None)


def test_the_first_match_wins() -> None:
    """However specific a later one is."""
    assert taken({"prefix": "/a"}, {"path": "/ab"}, {"prefix": "/"}, url="a.example.com/ab") == 0
    assert taken({"prefix": "/b"}, {"path": "/a"}, {"prefix": "/"}, url="a.example.com/ab") == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/x/../a", True), ("/x/%2E%2e/a", True), ("/./a", True), ("//a", False), ("/x\\..\\a", True)],
)
def test_a_path_is_normalized_before_it_is_matched(path: str, expected: bool) -> None:
    """If the connection manager does so."""
    manager = {"normalize_path": True}
    decision = ask({"*": [route(A, match={"path": "/a"})]}, f"a.example.com{path}", manager=manager)
    assert bool(decision.upstreams) is expected


def test_merged_slashes() -> None:
    """If the connection manager does so."""
    routes = {"*": [route(A, match={"path": "/a"})]}
    assert ask(routes, "a.example.com//a", manager={"merge_slashes": True}).upstreams


def test_a_runtime_fraction_splits_the_requests() -> None:
    """The rest goes on to the next route."""
    match = {"prefix": "/", "runtime_fraction": {"default_value": percent(25)}}
    decision = ask({"*": [route(A, match=match), route(B)]})
    assert {each.cluster: each.share for each in decision.upstreams} == {A: 0.25, B: 0.75}


def test_weights_are_shares_of_their_sum() -> None:
    """And half of them leading nowhere is neither blocked nor registered alone."""
    weighted = {"clusters": [{"name": A, "weight": 1}, {"name": "outbound|80||gone", "weight": 3}, {"name": B}]}
    decision = ask({"*": [route(route={"weighted_clusters": weighted}, owner="shop/v")]})
    assert (decision.outcome, decision.cause, decision.owner) == (Outcome.BLOCKED, "UNKNOWN_CLUSTER", "shop/v")
    assert decision.shares == {Outcome.REGISTERED: 0.25, Outcome.BLOCKED: 0.75}
    assert decision.also == (Outcome.REGISTERED,)


@pytest.mark.parametrize(
    ("written", "status", "location", "cause"),
    [
        (route(direct_response={"status": 502}), 502, "", "DIRECT_RESPONSE"),
        (route(redirect={"host_redirect": "b", "path_redirect": "/c"}), 301, "b/c", "REDIRECTED"),
        (route(redirect={"host_redirect": "b", "response_code": "FOUND"}), 302, "b", "REDIRECTED"),
    ],
)
def test_the_sidecar_may_answer_itself(written: dict[str, Any], status: int, location: str, cause: str) -> None:
    """Nothing is sent then."""
    decision = ask({"*": [written]})
    assert (decision.outcome, decision.cause) == (Outcome.BLOCKED, cause)
    assert (decision.routes[0].status, decision.routes[0].location) == (status, location)


def test_no_route_is_not_found() -> None:
    """The sidecar answers 404."""
    decision = ask({"*": [route(A, match={"prefix": "/b"})]})
    assert (decision.outcome, decision.cause, decision.routes[0].status) == (Outcome.BLOCKED, "NO_ROUTE", 404)


def test_a_header_may_name_the_cluster() -> None:
    """By `cluster_header`."""
    routes = {"*": [route(route={"cluster_header": "X-To"})]}
    assert ask(routes, headers={"x-to": B}).upstreams[0].host == "b.example.com"
    assert ask(routes).cause == "UNKNOWN_CLUSTER"


def test_what_a_route_says_besides() -> None:
    """Timeout, retries and host are reported."""
    action = {"timeout": "1.5s", "retry_policy": {"num_retries": 4}, "host_rewrite_literal": "c.example.com"}
    found = ask({"*": [route(A, route=action)]}).routes[0]
    assert (found.timeout, found.retries, found.rewritten_host) == (1.5, 4, "c.example.com")


ABORT = {"abort": {"http_status": 418, "percentage": percent(100)}}
DELAY = {"delay": {"fixed_delay": "2s", "percentage": percent(50)}}


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        (ABORT, {Outcome.FAULTED: 1.0}),
        (DELAY, {Outcome.FAULTED: 0.5, Outcome.REGISTERED: 0.5}),
        (
            {**DELAY, "abort": {"grpc_status": 14, "percentage": percent(50)}},
            {Outcome.FAULTED: 0.75, Outcome.REGISTERED: 0.25},
        ),
        ({"abort": {"http_status": 500, "percentage": {}}}, {Outcome.REGISTERED: 1.0}),
        ({**ABORT, "headers": [{"name": "x", "present_match": True}]}, {Outcome.REGISTERED: 1.0}),
        ({**ABORT, "upstream_cluster": B}, {Outcome.REGISTERED: 1.0}),
        ({**ABORT, "upstream_cluster": A}, {Outcome.FAULTED: 1.0}),
        ({}, {Outcome.REGISTERED: 1.0}),
    ],
)
def test_faults_hit_their_share(config: dict[str, Any], shares: dict[Outcome, float]) -> None:
    """Aborts and delays are drawn independently."""
    assert ask({"*": [route(A, **fault(**config))]}).shares == shares


def test_a_fault_may_be_set_for_a_whole_virtual_host() -> None:
    """A route's own configuration takes its place, also one that disables it."""
    table = route_table("80", {"*": [route(A, match={"path": "/off"}, **fault()), route(A)]})
    table["virtual_hosts"][0].update(fault(**ABORT))
    config = config_of(http_listener(80), routes=[table], clusters=CLUSTERS)

    def outcome(path: str) -> Outcome:
        return evaluate(config, Question(Destination("http", "a", 80, path), ADDRESS)).outcome

    assert (outcome("/"), outcome("/off")) == (Outcome.FAULTED, Outcome.REGISTERED)


@pytest.mark.parametrize(
    ("written", "item"),
    [
        (route(A, **fault(abort={"header_abort": {}, "percentage": percent(100)})), "fault header_abort"),
        (route(A, **fault(**ABORT, downstream_nodes=["x"])), "fault downstream_nodes"),
        (route(A, match={"prefix": "/", "dynamic_metadata": []}), "route match dynamic_metadata"),
        (route(A, match={"safe_regex": {"regex": "(?i)/"}}), "route match safe_regex"),
        (route(non_forwarding_action={}), "route action non_forwarding_action"),
    ],
)
def test_what_is_not_known_is_undecided_by_name(written: dict[str, Any], item: str) -> None:
    """And never guessed."""
    decision = ask({"*": [written]})
    assert (decision.outcome, decision.undecided) == (Outcome.INCONCLUSIVE, (item,))


def test_an_undecided_match_lists_what_is_possible() -> None:
    """All routes up to the first that certainly matches."""
    unknown = {"prefix": "/", "filter_state": []}
    decision = ask({"*": [route(A, match=unknown), route(B), route("outbound|80||empty")]})
    assert [each.cluster for each in decision.upstreams] == [A, B]


def test_an_undecided_match_may_make_no_difference() -> None:
    """If every possible route does the same."""
    unknown = {"prefix": "/", "filter_state": []}
    decision = ask({"*": [route(A, match=unknown), route(A)]})
    assert (decision.outcome, decision.undecided) == (Outcome.REGISTERED, ())


def test_unknown_http_filters_are_undecided() -> None:
    """They may answer, or change what is matched."""
    filters = [
        {"name": "envoy.filters.http.lua"},
        {"name": "x", "disabled": True},
        {"name": "envoy.filters.http.router"},
    ]
    decision = ask({"*": [route(A)]}, manager={"http_filters": filters})
    assert decision.undecided == ("HTTP filter envoy.filters.http.lua",)


def test_routes_that_have_not_arrived_are_undecided() -> None:
    """The listener waits for them."""
    decision = evaluate(config_of(http_listener(80)), Question(Destination("http", "a", 80), ADDRESS))
    assert decision.undecided == ("routes 80 are missing",)
