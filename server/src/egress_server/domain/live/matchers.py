"""Envoy's matchers of strings, headers and query parameters.

Each returns whether it matches, or None if that can't be determined here.
"""

import re
from collections.abc import Iterable, Mapping

from egress_server.domain.istio.regex import matches_regex
from egress_server.domain.live.config import Json


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all match: False as soon as one does not, whatever the unknown ones are."""
    found = list(verdicts)
    return False if False in found else None if None in found else True


def matches_string(matcher: Json, value: str) -> bool | None:
    """Of a StringMatcher."""
    fold = str.lower if matcher.get("ignore_case") else str
    for kind, compare in (
        ("exact", str.__eq__),
        ("prefix", str.startswith),
        ("suffix", str.endswith),
        ("contains", str.__contains__),
    ):
        if kind in matcher:
            return bool(compare(fold(value), fold(str(matcher[kind]))))
    if "safe_regex" in matcher:
        return matches_regex(str(matcher["safe_regex"].get("regex", "")), value)
    return None


_DEPRECATED = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
    "safe_regex_match": "safe_regex",
}
_HEADER_FIELDS = {
    *("name", "invert_match", "treat_missing_header_as_empty", "present_match", "string_match", "range_match"),
    *_DEPRECATED,
}


def matches_header(matcher: Json, headers: Mapping[str, str]) -> bool | None:
    """Of a HeaderMatcher. A header that is missing matches nothing, not even inverted, unless it counts as empty."""
    if matcher.keys() - _HEADER_FIELDS:
        return None
    value = headers.get(str(matcher["name"]).lower())
    inverted = bool(matcher.get("invert_match"))
    kinds = matcher.keys() - {"name", "invert_match", "treat_missing_header_as_empty"}
    if "present_match" in matcher or not kinds:
        if value is None and matcher.get("treat_missing_header_as_empty"):
            value = ""
        return ((value is not None) == bool(matcher.get("present_match", True))) is not inverted
    if value is None:
        if not matcher.get("treat_missing_header_as_empty"):
            return False
        value = ""
    verdict = _matches_value(matcher, value)
    return None if verdict is None else verdict is not inverted


def _matches_value(matcher: Json, value: str) -> bool | None:
    if "string_match" in matcher:
        return matches_string(matcher["string_match"], value)
    if "range_match" in matcher:
        limits = matcher["range_match"]
        if not re.fullmatch(r"\s*[-+]?\d+\s*", value, re.ASCII):
            return False
        return int(limits.get("start", 0)) <= int(value) < int(limits.get("end", 0))
    field = next(name for name in _DEPRECATED if name in matcher)
    return matches_string({_DEPRECATED[field]: matcher[field]}, value)


def matches_query(matcher: Json, path: str) -> bool | None:
    """Of a QueryParameterMatcher, for a path with its query. Envoy compares parameters as they are, without decoding
    them."""
    parameters: dict[str, str] = {}
    for parameter in path.partition("?")[2].split("&"):
        name, _, value = parameter.partition("=")
        parameters.setdefault(name, value)
    value_of = parameters.get(str(matcher["name"]))
    if "string_match" in matcher:
        return False if value_of is None else matches_string(matcher["string_match"], value_of)
    return (value_of is not None) == bool(matcher.get("present_match", True))


def fraction(percent: Json) -> float:
    """A FractionalPercent as a share of 0 to 1."""
    denominator = {"TEN_THOUSAND": 10_000, "MILLION": 1_000_000}.get(str(percent.get("denominator", "")), 100)
    return min(1.0, int(percent.get("numerator", 0)) / denominator)
