"""A fault affects exactly the requests that it names, and sends none of them elsewhere."""

import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import effective
from egress_server.domain.istio.read_virtual_service import read_virtual_service
from egress_server.domain.istio.virtual_service import HttpRule
from egress_server.domain.model.resources import (
    Fault,
    HeaderMatch,
    MatchKind,
    Resource,
    Route,
    StringMatch,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.render import render
from egress_server.domain.render.match import NoCombinationError, combined, render_conditions
from egress_server.domain.simulate.istiod.requests import Request, request_matches, source_matches
from egress_server.targets.kubernetes.project.virtual_services import faulted_routes
from tests.support.meshes import BIRTH, History, cluster, entry, fault

HOST = "bank.example.com"
KINDS = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)
Rule = dict[str, Any]
NO_RULES: list[Rule] = [{"route": [{"destination": {"host": HOST}}]}]

paths = st.sampled_from(["/", "/a", "/A", "/ab", "/abc", "/b", "/a?x=b", "/a?ab", "/ab?/a"])
header_values = st.sampled_from(["a", "ab", "abc", "b"])
requests = st.builds(
    lambda path, method, authority, headers: Request(
        Destination("http", HOST, 80, path), "default", {}, "", {**headers, "Host": authority}, method
    ),
    paths,
    st.sampled_from(["GET", "GETS", "POST"]),
    st.sampled_from([HOST, f"{HOST}:80", "bank"]),
    st.dictionaries(st.sampled_from(["x", "y", "1"]), header_values, max_size=3),
)


def _some(*conditions: tuple[MatchKind, str]) -> st.SearchStrategy[StringMatch]:
    return st.sampled_from([StringMatch(kind, value) for kind, value in conditions])


EXACT, PREFIX, REGEX = KINDS
uris = _some(
    *((kind, value) for kind in KINDS for value in ("/a", "/ab", "/b")),
    *((PREFIX, value) for value in ("/", "/A")),
    *((REGEX, value) for value in ("/a.*", "/[a-b]+", ".*b")),
)
methods = _some((EXACT, "GET"), (PREFIX, "GE"), (REGEX, "G.*"), (REGEX, ".*S"), (EXACT, "POST"))
authorities = _some((EXACT, HOST), (PREFIX, "bank"), (REGEX, r"bank.*\d"), (REGEX, "bank.*"), (PREFIX, HOST))
texts = _some((EXACT, "ab"), (PREFIX, "a"), (PREFIX, "ab"), (REGEX, "a.*"), (REGEX, ".*b"), (MatchKind.PRESENT, ""))
TEXTS = {"uri": uris, "method": methods, "authority": authorities}
MAYBE = [st.none() | st.none() | some for some in TEXTS.values()]
header = st.tuples(st.sampled_from(["x", "y", "1"]), texts)
headers = st.lists(header, min_size=1, max_size=2).map(dict)


def _header_matches(conditions: dict[str, StringMatch]) -> tuple[HeaderMatch, ...]:
    return tuple(HeaderMatch(name, match.kind, match.value) for name, match in conditions.items())


header_matches = st.just(()) | headers.map(_header_matches)
faults = st.builds(
    lambda uri, method, authority, named, ports: fault(
        match_uri=uri, match_method=method, match_authority=authority, match_headers=named, ports=ports
    ),
    *MAYBE,
    header_matches,
    st.sampled_from([(), (), (80,), (8080,)]),
)
routes = st.lists(st.tuples(*MAYBE, header_matches), max_size=3)


def named(broken: Fault, request: Request) -> bool:
    """Whether the author of a fault names a request: each condition by itself, as documented."""
    path = request.destination.path.partition("?")[0]
    sent = {name.lower(): value for name, value in request.headers.items()}
    pairs: list[tuple[StringMatch | HeaderMatch | None, str | None]] = [
        (broken.match_uri, path),
        (broken.match_method, request.method),
        (broken.match_authority, request.authority),
        *((match, sent.get(match.name)) for match in broken.match_headers),
    ]
    return (not broken.ports or request.destination.port in broken.ports) and all(_meets(*pair) for pair in pairs)


def _meets(match: StringMatch | HeaderMatch | None, text: str | None) -> bool:
    if match is None:
        return True
    if text is None or match.kind is MatchKind.PRESENT:
        return text is not None
    if match.kind is MatchKind.REGEX:
        return re.fullmatch(match.value, text) is not None
    return text == match.value if match.kind is MatchKind.EXACT else text.startswith(match.value)


def decide(http: list[Rule], request: Request) -> HttpRule | None:
    """The rule that applies."""
    for rule in read_virtual_service({"hosts": [HOST], "http": http}, "default").http:
        for match in rule.match:
            verdict = request_matches(match, request)
            assert verdict is not None
            if verdict and source_matches(match, request, request.destination.port):
                return rule
        if not rule.match:
            return rule
    return None


def rules_of(*resources: Resource) -> list[Rule]:
    """The rules of the VirtualService; what happens without one if there is none."""
    objects = render(effective(History(cluster(), *resources).snapshot, cluster(), BIRTH))
    return next((list(obj["spec"]["http"]) for obj in objects if obj["kind"] == "VirtualService"), NO_RULES)


def assert_exact(broken: Fault, request: Request, before: list[Rule], after: list[Rule], *, exactly: bool) -> None:
    """Whoever is faulted was named, and everybody goes where they went."""
    without, found = decide(before, request), decide(after, request)
    faulted = found is not None and found.abort is not None
    assert not faulted or named(broken, request)
    assert (found and found.route) == (without and without.route)
    if exactly and without is not None:
        assert faulted is named(broken, request)


def _combines(one: Rule, others: list[Rule]) -> bool:
    try:
        for other in others:
            combined(one, other)
    except NoCombinationError:
        return False
    return True


@settings(max_examples=300)
@given(faults, routes, st.lists(requests, min_size=1, max_size=8))
def test_on_the_routes_of_an_entry(broken: Fault, conditions: list[Any], asked: list[Request]) -> None:
    """Even where Istio can't express the combination, no other requests are affected."""
    own = tuple(
        Route((WeightedDestination(f"to-{number}.example.com"),), named_, uri, method, authority)
        for number, (uri, method, authority, named_) in enumerate(conditions)
    )
    bank = entry(hosts=(HOST,), traffic=TrafficSettings(routes=own))
    exactly = _combines(render_conditions(broken), [render_conditions(route) for route in own])
    for request in asked:
        assert_exact(broken, request, rules_of(bank), rules_of(bank, broken), exactly=exactly)


@st.composite
def foreign_matches(draw: st.DrawFn) -> Rule:
    """What others write: names of headers in any case, paths in any case, absent headers. Most have one or two
    conditions, so that requests satisfy several."""
    match: Rule = {}
    for name in draw(st.lists(st.sampled_from([*TEXTS, "headers", "withoutHeaders"]), max_size=2, unique=True)):
        if name in TEXTS:
            match[name] = _value(draw(TEXTS[name]))
        else:
            conditions = draw(headers)
            upper = draw(st.booleans())
            match[name] = {key.upper() if upper else key: _value(found) for key, found in conditions.items()}
    return match | ({"ignoreUriCase": True} if draw(st.booleans()) else {})


def _value(found: StringMatch) -> dict[str, str]:
    return {} if found.kind is MatchKind.PRESENT else {found.kind.value: found.value}


@settings(max_examples=300)
@given(faults, st.lists(foreign_matches(), max_size=3), st.lists(requests, min_size=1, max_size=8))
def test_on_foreign_routes(broken: Fault, conditions: list[Rule], asked: list[Request]) -> None:
    """A fault is put on copies of the rules before them, unless that is refused."""
    foreign = [
        {"match": [match] if match else [], "route": [{"destination": {"host": f"to-{number}.example.com"}}]}
        for number, match in enumerate(conditions)
    ]
    ours = [rule for rule in rules_of(entry(hosts=(HOST,)), broken) if "fault" in rule]
    try:
        added, _ = faulted_routes(ours, foreign, {rule["name"]: "" for rule in ours})
    except NoCombinationError:
        assume(False)
    for request in asked:
        assert_exact(broken, request, foreign, [*added, *foreign], exactly=True)


def test_where_the_second_condition_is() -> None:
    """On the same part of the request, as a header."""
    assert combined({"method": {"prefix": "P"}}, {"method": {"regex": "P.*"}}) == {
        "method": {"regex": "P.*"},
        "headers": {":method": {"prefix": "P"}},
    }
    assert combined({"headers": {"x": {"regex": "a.*"}}}, {"headers": {"x": {"regex": ".*b"}}}) == {
        "headers": {"x": {"regex": "a.*"}, "X": {"regex": ".*b"}}
    }
    assert combined({"uri": {"exact": "/a.b"}}, {"uri": {"regex": "/(?i)a.b"}}) == {
        "uri": {"regex": "/(?i)a.b"},
        "headers": {":path": {"regex": r"/a\.b(\?.*)?"}},
    }
