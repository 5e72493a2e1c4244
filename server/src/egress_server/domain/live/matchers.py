"""Envoy's matchers of strings, headers and query parameters.

Each returns whether it matches, or None if that can't be determined here.
"""

import re
from collections.abc import Iterable, Mapping

from egress_server.domain.live.config import Json

# RE2 and Python agree on these: literals, classes, groups, alternatives, and simple repetitions.
_ESCAPES = r"\\[.\\/\-^$|?*+()\[\]{}dDwWsS:_~!@#%&=,;<>'\"` ]"
_CLASS = rf"\[\^?(?:{_ESCAPES}|[^\[\]\\])+\]"
_TOKEN = re.compile(
    rf"(?P<atom>{_ESCAPES}|{_CLASS}|[^\\\[\](){{}}*+?|^$])|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))"
    r"|(?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})\??)(?![*+?{])|(?P<other>[|^$])"
)
_MAX_STEPS = 10**6
_MAX_CHOICES = 10


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Whether all match: False as soon as one does not, whatever the unknown ones are."""
    found = list(verdicts)
    return False if False in found else None if None in found else True


def matches_regex(pattern: str, value: str) -> bool | None:
    """Whether an RE2 pattern matches the whole value; None if Python's `re` may differ, or may take long."""
    repeats = _repeats(pattern)
    if repeats is None or (len(value) + 1) ** repeats > _MAX_STEPS:
        return None
    try:
        return re.fullmatch(pattern, value, re.ASCII) is not None
    except re.error:
        return None


def _repeats(pattern: str) -> int | None:
    """How many repetitions a pattern of the common subset has; None if it has anything else, such as choices within a
    repeated group, which take a backtracking engine exponential time."""
    repeats = choices = 0
    groups: list[int] = []  # how many choices there were before each open group
    group_choices = at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        kind, text, at = token.lastgroup, token.group(), token.end()
        if kind == "open":
            groups.append(choices)
        elif kind == "close":
            if not groups:
                return None
            group_choices = choices - groups.pop()
        elif kind == "repeat" and not text.startswith("?"):
            if group_choices:
                return None
            repeats += 1
        if kind == "repeat" or text == "|":
            choices += 1
        if kind != "close":
            group_choices = 0
    return None if groups or choices - repeats > _MAX_CHOICES else repeats


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
