"""Validation of conditions on requests, and of regular expressions for RE2, which Envoy evaluates them with."""

import re
from collections.abc import Callable, Sequence

from egress_server.domain.model.limits import (
    MAX_HEADER_MATCHES,
    MAX_HEADER_NAME,
    MAX_HEADER_OPERATIONS,
    MAX_HEADER_VALUE,
)
from egress_server.domain.model.resources import Fault, HeaderMatch, HeaderOperations, MatchKind, Route, StringMatch
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count, check_unique

# A token of RFC 9110 in lowercase, as HTTP/2 and therefore Envoy write header names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
MAX_AUTHORITY = 260
_AUTHORITY = re.compile(r"[A-Za-z0-9\[][-A-Za-z0-9._:\]]*")
_CHANGED_VALUE = re.compile(r"[\t -~]*")
# Istio interprets these as other parts of the request and ignores them in a header match.
_IGNORED = frozenset({"uri", "scheme", "method", "authority"})


def check_header_matches(matches: Sequence[HeaderMatch], problems: Problems) -> None:
    """Each header must occur once, with a valid value."""
    check_count(len(matches), 0, MAX_HEADER_MATCHES, "header", problems)
    seen: dict[str, int] = {}
    for index, match in enumerate(matches[:MAX_HEADER_MATCHES]):
        here = problems.at(index)
        if problem := header_name_problem(match.name):
            here.at("name").add(problem)
        elif seen.setdefault(match.name, index) != index:
            here.at("name").add(
                f"{match.name} is already matched at [{seen[match.name]}], and all conditions must hold"
            )
        if match.kind is not MatchKind.PRESENT and (problem := _value_problem(match)):
            here.at(match.kind.value).add(problem)


def check_request_conditions(source: Fault | Route, problems: Problems) -> None:
    """The conditions of a fault or of a route on requests."""
    check_header_matches(source.match_headers, problems.at("match_headers"))
    for field, check in _TEXT_CHECKS.items():
        match = getattr(source, field)
        if match is None:
            continue
        if match.kind is MatchKind.PRESENT:
            problems.at(field).add("one of exact, prefix and regex must be set")
        elif problem := _value_problem(match) or (match.kind is not MatchKind.REGEX and check(match.value)):
            problems.at(field, match.kind.value).add(problem)


def _path_problem(text: str) -> str | None:
    if not text.startswith("/"):
        return "must start with /, like every path"
    return "must be a path only: conditions are not compared with the query" if set(text) & set("?#") else None


def method_problem(text: str) -> str | None:
    """Why a text is not an HTTP method; None if it is."""
    return None if re.fullmatch(r"[A-Z-]{1,64}", text) else "must be a method such as GET; methods are in upper case"


def authority_problem(text: str) -> str | None:
    """Why a text is not (the start of) a Host header; None if it is."""
    if len(text) <= MAX_AUTHORITY and _AUTHORITY.fullmatch(text):
        return None
    return "must be a Host header such as www.example.com or www.example.com:8080"


_TEXT_CHECKS: dict[str, Callable[[str], str | None]] = {
    "match_uri": _path_problem,
    "match_method": method_problem,
    "match_authority": authority_problem,
}


def check_header_operations(operations: HeaderOperations, problems: Problems) -> None:
    """Changes of headers: valid names and values, without Envoy's command operators, which it may not know."""
    total = len(operations.set) + len(operations.add) + len(operations.remove)
    check_count(total, 0, MAX_HEADER_OPERATIONS, "header", problems)
    check_unique(operations.remove, problems.at("remove"))
    for index, name in enumerate(operations.remove[:MAX_HEADER_OPERATIONS]):
        if problem := _changed_name_problem(name):
            problems.at("remove", index).add(problem)
    for field, values in (("set", operations.set), ("add", operations.add)):
        for name, value in sorted(values.items())[:MAX_HEADER_OPERATIONS]:
            here = problems.at(field).key(name)
            if problem := _changed_name_problem(name):
                here.add(problem)
            if len(value) > MAX_HEADER_VALUE or not _CHANGED_VALUE.fullmatch(value):
                here.add(f"the value must be at most {MAX_HEADER_VALUE} printable ASCII characters")
            elif "%" in value.replace("%%", ""):
                here.add("write %% for a percent sign: Envoy's command operators, such as %START_TIME%, can't be used")


def _changed_name_problem(name: str) -> str | None:
    if name == "host":
        return "the Host header is changed by rewrite_authority, and only in requests"
    return header_name_problem(name)


def header_name_problem(name: str) -> str | None:
    """Why a text is not the name of a header; None if it is."""
    if len(name) > MAX_HEADER_NAME or not _NAME.fullmatch(name):
        return f"must be a header name in lowercase of at most {MAX_HEADER_NAME} characters"
    if name in _IGNORED:
        return f"Istio does not treat {name} as a header and would match every request"
    return None


def _value_problem(match: HeaderMatch | StringMatch) -> str | None:
    value = match.value
    if not value:
        header = "; omit exact, prefix and regex to require only that the header is present"
        return f"must not be empty{header if isinstance(match, HeaderMatch) else ''}"
    if len(value) > MAX_HEADER_VALUE or any(ord(char) < 32 or ord(char) == 127 for char in value):
        return f"must be at most {MAX_HEADER_VALUE} characters, without control characters"
    return regex_problem(value) if match.kind is MatchKind.REGEX else None


MAX_LENGTH = 256
MAX_REPEATS = 1000
"""RE2's own limit, which applies to the product of nested repetitions."""
MAX_SIZE = 2000
"""In characters, with repetitions expanded. Istio's limit is 32768 instructions, and a character takes up to 15."""

_ESCAPE = re.compile(r"\\(.)", re.S)
_KNOWN_ESCAPES = frozenset("dDwWsSbBAntrfvax")
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_GROUP = re.compile(r"\(\?(?!:|P<|[ims]*-?[ims]*[:)])")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_PART = re.compile(r"\(\?(?:P<\w+>|[ims-]*:?)|\{(\d+)(?:,(\d*))?\}|.", re.S)


def regex_problem(text: str) -> str | None:
    """Why RE2 does not accept an expression; None if it does."""
    if len(text) > MAX_LENGTH:
        return f"has {len(text)} characters; at most {MAX_LENGTH} are allowed"
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a valid regular expression: {error}"
    if unknown := next((e for e in _ESCAPE.findall(text) if e.isalnum() and e not in _KNOWN_ESCAPES), None):
        return f"RE2 does not support \\{unknown}"
    plain = _CLASS.sub("x", _ESCAPE.sub("x", text))
    if _GROUP.search(plain):
        return "of groups that start with (?, RE2 supports only (?:, (?P<name>, (?i), (?m) and (?s)"
    if _POSSESSIVE.search(plain):
        return "RE2 does not support possessive repetition, such as a++"
    return _size_problem(plain)


def _size_problem(plain: str) -> str | None:
    """Counts characters, group by group. An atom is its size and how often its innermost part is repeated."""
    groups: list[list[tuple[int, int]]] = [[]]
    for part in _PART.finditer(plain):
        atoms = groups[-1]
        if part[0].startswith("("):
            groups.append([])
        elif part[0] == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].append((sum(size for size, _ in inner), max((times for _, times in inner), default=1)))
        elif part[1] and atoms:
            bound = max(int(bound) for bound in part.groups() if bound)
            size, times = atoms[-1]
            atoms[-1] = (size * max(bound, 1), times * max(bound, 1))
        else:
            atoms.append((1, 1))
        if any(times > MAX_REPEATS for _, times in groups[-1]):
            return f"RE2 allows at most {MAX_REPEATS} repetitions, multiplied if nested"
    if sum(size for size, _ in groups[0]) > MAX_SIZE:
        return f"is longer than {MAX_SIZE} characters with its repetitions expanded"
    return None
