"""Validation of faults: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, MatchKind, StringMatch
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.validate import Problems, check_resource
from egress_server.domain.validate.fault import GRPC_STATUSES
from tests.support.violations import violations_of

SLOW = Delay(5.0)


def problems_of(**fields: Any) -> list[tuple[str, str]]:
    """Field and description of all problems of a fault that delays requests, or with other `fields`."""
    problems = Problems()
    whole = {"host": "bank.example.com", "ttl": 600.0, "delay": SLOW, **fields}
    check_resource(Fault("meshes/default/namespaces/prod/faults/f", **whole), problems)
    return violations_of(problems.raise_if_any)


VALID: dict[str, dict[str, Any]] = {
    "delay": {},
    "wildcard": {"host": "*.example.com"},
    "abort": {"delay": None, "abort": Abort(503)},
    "both": {"abort": Abort(599, percent=0.0001)},
    "gRPC": {"delay": None, "abort": Abort(0, "UNAVAILABLE")},
    "outermost statuses": {"abort": Abort(200)},
    "as long as it lives": {"delay": Delay(600.0)},
    "a day": {"ttl": 86400.0},
    "some": {"delay": Delay(0.001, 0.5)},
    "narrow": {
        "ports": (1, 65535),
        "match_headers": (HeaderMatch("x-user"),),
        "match_uri": StringMatch(MatchKind.REGEX, ".*[.]json"),
        "match_method": StringMatch(MatchKind.REGEX, "POST|PUT"),
        "match_authority": StringMatch(MatchKind.PREFIX, "bank.example.com:"),
        "source_labels": {"app": "shop"},
        "source_namespace": "shop",
        "cluster_selector": ClusterSelector(("east",)),
    },
}


@pytest.mark.parametrize("case", VALID)
def test_right(case: str) -> None:
    """Valid faults have no problems."""
    assert problems_of(**VALID[case]) == []


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "no host": ({"host": ""}, "host", "DNS name"),
    "address": ({"host": "203.0.113.7"}, "host", "must be a DNS name"),
    "does nothing": ({"delay": None}, "delay", "at least one of delay and abort must be set"),
    "no time": ({"ttl": 0.0}, "ttl", "greater than 0"),
    "over a day": ({"ttl": 86400.001}, "ttl", "at most 24 h"),
    "longer than it lives": ({"delay": Delay(601.0)}, "delay.fixed_delay", "increase ttl"),
    "no delay": ({"delay": Delay(0.0)}, "delay.fixed_delay", "greater than 0"),
    "fine delay": ({"delay": Delay(0.0004)}, "delay.fixed_delay", "whole milliseconds"),
    "never": ({"delay": Delay(1.0, 0.0)}, "delay.percent", "greater than 0"),
    "more than always": ({"delay": Delay(1.0, 100.5)}, "delay.percent", "at most 100"),
    "no share": ({"delay": Delay(1.0, float("nan"))}, "delay.percent", "greater than 0"),
    "finer than Envoy counts": ({"abort": Abort(503, percent=0.00001)}, "abort.percent", "0.0001"),
    "no error": ({"abort": Abort()}, "abort", "http_status (200 to 599) or grpc_status must be set"),
    "700 does nothing": ({"abort": Abort(700)}, "abort.http_status", "between 200 and 599"),
    "199": ({"abort": Abort(199)}, "abort.http_status", "between 200 and 599"),
    "gRPC in lower case": ({"abort": Abort(0, "unavailable")}, "abort.grpc_status", "UNAVAILABLE"),
    "port": ({"ports": (80, 0)}, "ports[1]", "between 1 and 65535"),
    "port twice": ({"ports": (80, 80)}, "ports[1]", "already listed at [0]"),
    "header": ({"match_headers": (HeaderMatch("Cookie"),)}, "match_headers[0].name", "in lowercase"),
    "path": ({"match_uri": StringMatch(MatchKind.PREFIX, "orders")}, "match_uri.prefix", "must start with /"),
    "query": ({"match_uri": StringMatch(MatchKind.EXACT, "/a?b=c")}, "match_uri.exact", "not compared with the query"),
    "any path": ({"match_uri": StringMatch(MatchKind.PRESENT)}, "match_uri", "one of exact, prefix and regex"),
    "empty path": ({"match_uri": StringMatch(MatchKind.PREFIX)}, "match_uri.prefix", "must not be empty"),
    "path for no RE2": ({"match_uri": StringMatch(MatchKind.REGEX, "(a")}, "match_uri.regex", "not a valid regular"),
    "method": ({"match_method": StringMatch(MatchKind.EXACT, "post")}, "match_method.exact", "in upper case"),
    "host header": (
        {"match_authority": StringMatch(MatchKind.EXACT, "https://a.b")},
        "match_authority.exact",
        "must be a Host header",
    ),
    "label": ({"source_labels": {"app": "a b"}}, 'source_labels["app"]', "letters"),
    "namespace": ({"source_namespace": "Shop"}, "source_namespace", "namespace"),
    "selector": (
        {"cluster_selector": ClusterSelector(("east",), {"env": "prod"})},
        "cluster_selector",
        "may be set",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_wrong(case: str) -> None:
    """There is one problem, at the right field."""
    fields, path, text = INVALID[case]
    found = problems_of(**fields)
    assert [field for field, _ in found] == [path]
    assert text in found[0][1]


def test_grpc_statuses_stand_at_their_numbers() -> None:
    """The position of a name is the code in the protocol."""
    assert [GRPC_STATUSES.index(name) for name in ("OK", "NOT_FOUND", "UNAVAILABLE", "UNAUTHENTICATED")] == [
        0,
        5,
        14,
        16,
    ]
