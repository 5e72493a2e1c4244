"""Matchers of strings, headers and query parameters, as Envoy evaluates them."""

from typing import Any

import pytest

from egress_server.domain.istio.regex import matches_regex
from egress_server.domain.live.matchers import fraction, matches_header, matches_query, matches_string


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("a.*", "abc", True),
        ("a.*", "xabc", False),
        ("^b[0-9]{1,2}$", "b12", True),
        ("^b[0-9]{1,2}$", "b123", False),
        (r"^(.*?;)?(user=jason)(;.*)?$", "a=1;user=jason;b=2", True),
        (r"^(.*?;)?(user=jason)(;.*)?$", "user=jason2", False),
        (r"(?:www|api)\.example\.com", "api.example.com", True),
        (r"(?:www|api)\.example\.com", "apixexample.com", False),
        (r"/v\d+/[^/]+", "/v12/items", True),
        (r"/v\d+/[^/]+", "/v12/items/1", False),
        (r"\d", "٣", False),  # RE2's classes are ASCII
        ("", "", True),
        # RE2 differs from Python, or Python may take long.
        (r"(?i)abc", "ABC", None),
        (r"[[:alpha:]]+", "abc", None),
        (r"\pL", "a", None),
        (r"a++", "aa", None),
        (r"(a+)+", "aaaa", None),
        (r"(a|aa)*", "aaaa", None),
        (r"(a?a?)*", "aaaa", None),
        (r"(a", "a", None),
        (r"a)", "a", None),
        (r".*a.*b.*c", "x" * 1000, None),
        ("a?" * 11 + "b", "b", None),
        (r"a{2,1}", "aa", None),
    ],
)
def test_a_regex_matches_the_whole_value_if_it_is_common_to_both_engines(
    pattern: str, value: str, expected: bool | None
) -> None:
    """RE2's full match; None for anything that Python may evaluate otherwise, or in more than linear time."""
    assert matches_regex(pattern, value) is expected


@pytest.mark.parametrize(
    ("matcher", "matching", "other"),
    [
        ({"exact": "ab"}, "ab", "AB"),
        ({"prefix": "ab"}, "abc", "cab"),
        ({"suffix": "ab"}, "cab", "abc"),
        ({"contains": "ab"}, "cabc", "acb"),
        ({"exact": "aB", "ignore_case": True}, "Ab", "abc"),
        ({"safe_regex": {"regex": "a[b-d]"}}, "ac", "ae"),
    ],
)
def test_strings(matcher: dict[str, Any], matching: str, other: str) -> None:
    """Each kind of StringMatcher."""
    assert matches_string(matcher, matching) is True
    assert matches_string(matcher, other) is False


def test_an_unknown_string_matcher_is_undecided() -> None:
    """Extensions are."""
    assert matches_string({"custom": {}}, "a") is None


_RANGE = {"range_match": {"start": "-3", "end": "10"}}


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        ({"string_match": {"exact": "1"}}, "1", True),
        ({"string_match": {"exact": "1"}}, None, False),
        ({"string_match": {"exact": "1"}, "invert_match": True}, "2", True),
        ({"string_match": {"exact": "1"}, "invert_match": True}, None, False),
        ({"string_match": {"exact": "1"}, "invert_match": True, "treat_missing_header_as_empty": True}, None, True),
        ({"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, None, True),
        ({"string_match": {"custom": {}}, "invert_match": True}, "2", None),
        ({"exact_match": "1"}, "1", True),
        ({"prefix_match": "1"}, "12", True),
        ({"suffix_match": "1"}, "12", False),
        ({"contains_match": "2"}, "123", True),
        ({"safe_regex_match": {"regex": "1.*"}}, "123", True),
        (_RANGE, "-3", True),
        (_RANGE, "10", False),
        (_RANGE, "x", False),
        ({"present_match": True}, "", True),
        ({"present_match": True}, None, False),
        ({"present_match": False}, None, True),
        ({"present_match": True, "invert_match": True}, None, True),
        ({}, "1", True),
        ({}, None, False),
        ({"new_match": 1}, "1", None),
    ],
)
def test_headers(matcher: dict[str, Any], value: str | None, expected: bool | None) -> None:
    """Each kind of HeaderMatcher, with and without the header."""
    headers = {} if value is None else {"x-a": value}
    assert matches_header({"name": "X-A", **matcher}, headers) is expected


@pytest.mark.parametrize(
    ("matcher", "path", "expected"),
    [
        ({"string_match": {"exact": "1"}}, "/?q=1", True),
        ({"string_match": {"exact": "1"}}, "/?a=1&q=2&q=1", False),
        ({"string_match": {"exact": "1"}}, "/", False),
        ({"string_match": {"exact": "a b"}}, "/?q=a%20b", False),
        ({"string_match": {"exact": "a%20b"}}, "/?q=a%20b", True),
        ({"present_match": True}, "/?q", True),
        ({"present_match": True}, "/?p", False),
        ({}, "/?q=", True),
        ({"string_match": {"custom": {}}}, "/?q=1", None),
    ],
)
def test_query_parameters(matcher: dict[str, Any], path: str, expected: bool | None) -> None:
    """The first parameter of the name counts."""
    assert matches_query({"name": "q", **matcher}, path) is expected


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        ({"numerator": 25}, 0.25),
        ({"numerator": 25, "denominator": "HUNDRED"}, 0.25),
        ({"numerator": 25, "denominator": "TEN_THOUSAND"}, 0.0025),
        ({"numerator": 100, "denominator": "MILLION"}, 0.0001),
        ({}, 0.0),
        ({"numerator": 200}, 1.0),
    ],
)
def test_fractions(percent: dict[str, Any], expected: float) -> None:
    """Numerator by denominator, which is 100 by default."""
    assert fraction(percent) == expected
