"""Rules for header matches and for regular expressions, which Envoy evaluates with RE2."""

import re
from collections.abc import Sequence

from egress_server.domain.model.limits import MAX_HEADER_MATCHES, MAX_HEADER_NAME, MAX_HEADER_VALUE
from egress_server.domain.model.resources import HeaderMatch, MatchKind
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count

# RFC 9110's token in lower case: that is how HTTP/2, and so Envoy, writes header names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# Istio reads these as other parts of the request, and passes over them in a header match.
_IGNORED = frozenset({"uri", "scheme", "method", "authority"})


def check_header_matches(matches: Sequence[HeaderMatch], problems: Problems) -> None:
    """Each header once, with a value that can be compared."""
    check_count(len(matches), 0, MAX_HEADER_MATCHES, "header", problems)
    seen: dict[str, int] = {}
    for index, match in enumerate(matches[:MAX_HEADER_MATCHES]):
        here = problems.at(index)
        if wrong := _what_is_wrong_with_name(match.name):
            here.at("name").add(wrong)
        elif seen.setdefault(match.name, index) != index:
            here.at("name").add(f"{match.name} is already matched at [{seen[match.name]}]; all matches must hold")
        if match.kind is not MatchKind.PRESENT and (wrong := _what_is_wrong_with_value(match)):
            here.at(match.kind.value).add(wrong)


def _what_is_wrong_with_name(name: str) -> str | None:
    if len(name) > MAX_HEADER_NAME or not _NAME.fullmatch(name):
        return f"must be a header name in lower case, at most {MAX_HEADER_NAME} characters"
    if name in _IGNORED:
        return f"Istio does not read {name} as a header, and would match every request"
    return None


def _what_is_wrong_with_value(match: HeaderMatch) -> str | None:
    value = match.value
    if not value:
        return "must not be empty; set none of exact, prefix and regex to ask only that the header is there"
    if len(value) > MAX_HEADER_VALUE or any(ord(char) < 32 or ord(char) == 127 for char in value):
        return f"must be at most {MAX_HEADER_VALUE} characters, none of them a control character"
    return what_is_wrong_with_regex(value) if match.kind is MatchKind.REGEX else None


MAX_LENGTH = 256
MAX_REPEATS = 1000
"""RE2's own limit, of repetitions within repetitions too."""
MAX_SIZE = 2000
"""Characters with repetitions written out. Istio lets Envoy have 32768 instructions, and a character takes up to 15."""

_ESCAPE = re.compile(r"\\(.)", re.S)
_KNOWN_ESCAPES = frozenset("dDwWsSbBAntrfvax")
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_GROUP = re.compile(r"\(\?(?!:|P<|[ims]*-?[ims]*[:)])")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_PART = re.compile(r"\(\?(?:P<\w+>|[ims-]*:?)|\{(\d+)(?:,(\d*))?\}|.", re.S)


def what_is_wrong_with_regex(text: str) -> str | None:
    """What is wrong with an expression, for people; None where nothing is."""
    if len(text) > MAX_LENGTH:
        return f"has {len(text)} characters; at most {MAX_LENGTH} are allowed"
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    if unknown := next((e for e in _ESCAPE.findall(text) if e.isalnum() and e not in _KNOWN_ESCAPES), None):
        return f"RE2 does not know \\{unknown}"
    plain = _CLASS.sub("x", _ESCAPE.sub("x", text))
    if _GROUP.search(plain):
        return "RE2 does not know groups that begin with (? but (?:, (?P<name> and (?i), (?m), (?s)"
    if _POSSESSIVE.search(plain):
        return "RE2 does not know possessive repetition, such as a++"
    return _what_is_too_large(plain)


def _what_is_too_large(plain: str) -> str | None:
    """Counts characters, each group's by itself. An atom is its size and how often its innermost part is repeated."""
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
            return f"RE2 repeats at most {MAX_REPEATS} times, repetitions within repetitions multiplied"
    if sum(size for size, _ in groups[0]) > MAX_SIZE:
        return f"is longer than {MAX_SIZE} characters with its repetitions written out"
    return None
