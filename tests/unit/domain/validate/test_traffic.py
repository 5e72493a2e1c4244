"""Validation of the traffic settings of an entry: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import (
    HeaderMatch,
    HeaderOperations,
    MatchKind,
    Resolution,
    Retries,
    Route,
    StringMatch,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.validate import Problems, check_resource
from tests.support.meshes import entry, ports
from tests.support.violations import violations_of

EXACT, PREFIX, REGEX = MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX
BLUE = WeightedDestination("blue.example.com")


def problems_of(settings: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Field and description of all problems of an entry with these traffic settings."""
    problems = Problems()
    whole = {"resolution": Resolution.DNS, **fields, "traffic": TrafficSettings(**settings)}
    check_resource(entry(**whole), problems)
    return violations_of(problems.raise_if_any)


def changed(**operations: Any) -> dict[str, Any]:
    """One route that changes headers of requests."""
    return {"routes": (Route((BLUE,), request_headers=HeaderOperations(**operations)),)}


def headers(*matches: HeaderMatch) -> dict[str, Any]:
    """One route with header matches."""
    return {"routes": (Route((BLUE,), matches),)}


def regex(text: str) -> dict[str, Any]:
    """One route with a regular expression."""
    return headers(HeaderMatch("x", REGEX, text))


def split(*weights: int) -> dict[str, Any]:
    """One route with several destinations."""
    return {
        "routes": (Route(tuple(WeightedDestination(f"d{i}.example.com", 0, w) for i, w in enumerate(weights))),),
    }


VALID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a millisecond": ({"timeout": 0.001}, {}),
    "an hour": ({"timeout": 3600.0}, {}),
    "parts of a second": ({"timeout": 0.1 + 0.2}, {}),
    "no retries": ({"retries": Retries(0)}, {}),
    "retries": ({"retries": Retries(20, 0.25, ("5xx", "connect-failure", "503"))}, {}),
    "one place": ({"routes": (Route((BLUE,)),)}, {}),
    "one place with all the weight": ({"routes": (Route((WeightedDestination("a.b", 8080, 100),)),)}, {}),
    "several places": (split(70, 20, 10, 0), {}),
    "headers, then the rest": (
        {"routes": (Route((BLUE,), (HeaderMatch("x-user", EXACT, "me"),)), Route((BLUE,)))},
        {},
    ),
    "path, method, host": (
        {
            "routes": (
                Route((BLUE,), (), StringMatch(PREFIX, "/a"), StringMatch(EXACT, "GET"), StringMatch(EXACT, "a.b:80")),
                Route((BLUE,)),
            )
        },
        {},
    ),
    "another host": ({"routes": (Route((BLUE,), rewrite_authority="b.example.com:8443"),)}, {}),
    "changed headers": (changed(set={"x-a": "100%%"}, add={"x-b": "b\tc"}, remove=("cookie",)), {}),
    "retry details": ({"retries": Retries(2, backoff=0.1, retry_remote_localities=True)}, {}),
    "header is there": (headers(HeaderMatch("x-user")), {}),
    "several headers": (headers(HeaderMatch("a", PREFIX, "v"), HeaderMatch("b", EXACT, "ä")), {}),
    "token characters": (headers(HeaderMatch("!#$%&'*+.^_`|~0-9a-z-")), {}),
    "regex": (regex(r"^(?:a|b)+\d{1,3}[-*+.]+(?P<n>x)\+$"), {}),
    "regex with repeats": (regex(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3,}-(?P<n>\w{1,12})|a{1000}|{x}"), {}),
    "regex with flags": (regex("(?i)abc"), {}),
}


@pytest.mark.parametrize("case", VALID)
def test_right(case: str) -> None:
    """Valid settings have no problems."""
    settings, fields = VALID[case]
    assert problems_of(settings, **fields) == []


R0 = "traffic.routes[0]"
H0 = f"{R0}.match_headers[0]"
INVALID: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "zero timeout": ({"timeout": 0.0}, {}, "traffic.timeout", "greater than 0"),
    "negative timeout": ({"timeout": -1.0}, {}, "traffic.timeout", "greater than 0"),
    "over an hour": ({"timeout": 3600.001}, {}, "traffic.timeout", "at most 1 h"),
    "finer than a millisecond": ({"timeout": 0.0005}, {}, "traffic.timeout", "whole milliseconds"),
    "a nanosecond": ({"timeout": 1e-9}, {}, "traffic.timeout", "whole milliseconds"),
    "not a number": ({"timeout": float("nan")}, {}, "traffic.timeout", "greater than 0"),
    "timeout of TLS": ({"timeout": 1.0}, {"ports": ports("443:TLS")}, "traffic.timeout", "requires a port"),
    "retries of TCP": ({"retries": Retries(1)}, {"ports": ports("1:TCP")}, "traffic.retries", "requires a port"),
    "routes of TLS": (split(100), {"ports": ports("443:HTTPS")}, "traffic.routes", "requires a port"),
    "21 attempts": ({"retries": Retries(21)}, {}, "traffic.retries.attempts", "between 0 and 20"),
    "negative attempts": ({"retries": Retries(-1)}, {}, "traffic.retries.attempts", "between 0 and 20"),
    "how to try again, but not at all": (
        {"retries": Retries(0, None, ("5xx",))},
        {},
        "traffic.retries.attempts",
        "disables retries",
    ),
    "try forever": ({"retries": Retries(1, 0.0)}, {}, "traffic.retries.per_try_timeout", "greater than 0"),
    "unknown condition": ({"retries": Retries(1, None, ("5xx", "5XX"))}, {}, "traffic.retries.retry_on[1]", "503"),
    "good status": ({"retries": Retries(1, None, ("200",))}, {}, "traffic.retries.retry_on[0]", "503"),
    "condition twice": ({"retries": Retries(1, None, ("5xx", "5xx"))}, {}, "traffic.retries.retry_on[1]", "already"),
    "no place": ({"routes": (Route(()),)}, {}, f"{R0}.destinations", "at least 1"),
    "weights too small": (split(50, 49), {}, f"{R0}.destinations", "must add up to 100, not 99"),
    "no weights": (split(0, 0), {}, f"{R0}.destinations", "must add up to 100, not 0"),
    "half of one": (split(50), {}, f"{R0}.destinations", "must add up to 100, not 50"),
    "negative weight": (split(-1, 51, 50), {}, f"{R0}.destinations[0].weight", "between 0 and 100"),
    "place that is not a name": (
        {"routes": (Route((WeightedDestination("a b"),)),)},
        {},
        f"{R0}.destinations[0].host",
        "DNS name",
    ),
    "place that is many": (
        {"routes": (Route((WeightedDestination("*.a.b"),)),)},
        {},
        f"{R0}.destinations[0].host",
        "wildcard",
    ),
    "place's port": (
        {"routes": (Route((WeightedDestination("a.b", 65536),)),)},
        {},
        f"{R0}.destinations[0].port",
        "between 1 and 65535",
    ),
    "route behind the rest": (
        {"routes": (Route((BLUE,)), Route((BLUE,), (HeaderMatch("x"),)))},
        {},
        "traffic.routes[1]",
        "routes[0] matches every request",
    ),
    "route behind a path": (
        {"routes": (Route((BLUE,), match_uri=StringMatch(EXACT, "x")), Route((BLUE,)))},
        {},
        f"{R0}.match_uri.exact",
        "must start with /",
    ),
    "rewritten host": (
        {"routes": (Route((BLUE,), rewrite_authority="a b"),)},
        {},
        f"{R0}.rewrite_authority",
        "must be a Host header",
    ),
    "changed Host": (changed(set={"host": "a"}), {}, f'{R0}.request_headers.set["host"]', "by rewrite_authority"),
    "changed pseudo-header": (changed(remove=(":path",)), {}, f"{R0}.request_headers.remove[0]", "in lowercase"),
    "removed twice": (changed(remove=("a", "a")), {}, f"{R0}.request_headers.remove[1]", "already listed"),
    "operator": (changed(add={"a": "%START_TIME%"}), {}, f'{R0}.request_headers.add["a"]', "write %% for a percent"),
    "value of two lines": (changed(add={"a": "b\nc"}), {}, f'{R0}.request_headers.add["a"]', "printable ASCII"),
    "33 changes": (changed(add=dict.fromkeys(map(str, range(33)), "")), {}, f"{R0}.request_headers", "at most 32"),
    "upper-case header": (headers(HeaderMatch("X-User")), {}, f"{H0}.name", "in lowercase"),
    "no header": (headers(HeaderMatch("")), {}, f"{H0}.name", "in lowercase"),
    "pseudo-header": (headers(HeaderMatch(":path")), {}, f"{H0}.name", "in lowercase"),
    "header that is none": (headers(HeaderMatch("method", EXACT, "GET")), {}, f"{H0}.name", "does not treat method"),
    "header twice": (
        headers(HeaderMatch("x"), HeaderMatch("x", EXACT, "v")),
        {},
        f"{R0}.match_headers[1].name",
        "already matched at [0]",
    ),
    "empty value": (headers(HeaderMatch("x", EXACT)), {}, f"{H0}.exact", "must not be empty"),
    "control character": (headers(HeaderMatch("x", PREFIX, "a\nb")), {}, f"{H0}.prefix", "control"),
    "broken regex": (regex("(a"), {}, f"{H0}.regex", "not a valid regular expression"),
    "long regex": (regex("a" * 257), {}, f"{H0}.regex", "at most 256"),
    "lookahead": (regex("(?=a)"), {}, f"{H0}.regex", "groups that start with (?"),
    "lookbehind": (regex("(?<!a)b"), {}, f"{H0}.regex", "groups that start with (?"),
    "backreference": (regex(r"(a)\1"), {}, f"{H0}.regex", r"RE2 does not support \1"),
    "named backreference": (regex("(?P<n>a)(?P=n)"), {}, f"{H0}.regex", "groups that start with (?"),
    "end as Python has it": (regex(r"a\Z"), {}, f"{H0}.regex", r"RE2 does not support \Z"),
    "possessive": (regex("a++"), {}, f"{H0}.regex", "possessive"),
    "many repeats": (regex("a{1001}"), {}, f"{H0}.regex", "at most 1000"),
    "repeats of repeats": (regex("(?:(ab{50}){3}c){10}"), {}, f"{H0}.regex", "multiplied"),
    "large when written out": (regex("a{900}b{900}c{900}"), {}, f"{H0}.regex", "longer than 2000"),
}


@pytest.mark.parametrize("case", INVALID)
def test_wrong(case: str) -> None:
    """There is one problem, at the right field."""
    settings, fields, path, text = INVALID[case]
    found = problems_of(settings, **fields)
    assert [field for field, _ in found] == [path]
    assert text in found[0][1]
