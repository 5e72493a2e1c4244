"""Validation of header matches, and of regular expressions for RE2, which Envoy evaluates them with."""

import re
from collections.abc import Sequence

from egress_server.domain.model.limits import MAX_HEADER_MATCHES, MAX_HEADER_NAME, MAX_HEADER_VALUE
from egress_server.domain.model.resources import HeaderMatch, MatchKind
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count

# A token of RFC 9110 in lowercase, as HTTP/2 and therefore Envoy write header names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# Istio interprets these as other parts of the request and ignores them in a header match.
_IGNORED = frozenset({"uri", "scheme", "method", "authority"})


def check_header_matches(matches: Sequence[HeaderMatch], problems: Problems) -> None:
    """Each header must occur once, with a valid value."""
    check_count(len(matches), 0, MAX_HEADER_MATCHES, "header", problems)
    seen: dict[str, int] = {}
    for index, match in enumerate(matches[:MAX_HEADER_MATCHES]):
        here = problems.at(index)
        if problem := _name_problem(match.name):
            here.at("name").add(problem)
        elif seen.setdefault(match.name, index) != index:
            here.at("name").add(
                f"{match.name} is already matched at [{seen[match.name]}], and all conditions must hold"
            )
        if match.kind is not MatchKind.PRESENT and (problem := _value_problem(match)):
            here.at(match.kind.value).add(problem)


def _name_problem(name: str) -> str | None:
    if len(name) > MAX_HEADER_NAME or not _NAME.fullmatch(name):
        return f"must be a header name in lowercase of at most {MAX_HEADER_NAME} characters"
    if name in _IGNORED:
        return f"Istio does not treat {name} as a header and would match every request"
    return None


def _value_problem(match: HeaderMatch) -> str | None:
    value = match.value
    if not value:
        return "must not be empty; omit exact, prefix and regex to require only that the header is present"
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
