"""Rules of header matches, as Envoy reads them.

Envoy compares with RE2, which knows less than Python: what only Python understands is refused here by its look.
"""

import re
from collections.abc import Sequence

from egress_server.domain.resources import HeaderMatch, MatchKind
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count

MAX_HEADERS = 32
MAX_NAME = 128
MAX_VALUE = 1024
MAX_REGEX = 256
MAX_REPEATS = 1000  # RE2's own limit
# RFC 9110's token in lower case: that is how HTTP/2, and so Envoy, writes header names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# Istio reads these as other parts of the request, and passes over them in a header match.
_IGNORED = frozenset({"uri", "scheme", "method", "authority"})
_ESCAPE = re.compile(r"\\(.)", re.S)
_KNOWN_ESCAPES = frozenset("dDwWsSbBAntrfvax")
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_GROUP = re.compile(r"\(\?(?!:|P<|[ims]*-?[ims]*[:)])")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def check_header_matches(matches: Sequence[HeaderMatch], problems: Problems) -> None:
    """Each header once, with a value that can be compared."""
    check_count(len(matches), 0, MAX_HEADERS, "header", problems)
    seen: dict[str, int] = {}
    for index, match in enumerate(matches[:MAX_HEADERS]):
        here = problems.at(index)
        if wrong := _what_is_wrong_with_name(match.name):
            here.at("name").add(wrong)
        elif seen.setdefault(match.name, index) != index:
            here.at("name").add(f"{match.name} is already matched at [{seen[match.name]}]; all matches must hold")
        if match.kind is not MatchKind.PRESENT and (wrong := _what_is_wrong_with_value(match)):
            here.at(match.kind.value).add(wrong)


def _what_is_wrong_with_name(name: str) -> str | None:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        return f"must be a header name in lower case, at most {MAX_NAME} characters"
    if name in _IGNORED:
        return f"Istio does not read {name} as a header, and would match every request"
    return None


def _what_is_wrong_with_value(match: HeaderMatch) -> str | None:
    value = match.value
    if not value:
        return "must not be empty; set none of exact, prefix and regex to ask only that the header is there"
    if len(value) > MAX_VALUE or any(ord(char) < 32 or ord(char) == 127 for char in value):
        return f"must be at most {MAX_VALUE} characters, none of them a control character"
    return _what_is_wrong_with_regex(value) if match.kind is MatchKind.REGEX else None


def _what_is_wrong_with_regex(text: str) -> str | None:
    if len(text) > MAX_REGEX:
        return f"has {len(text)} characters; at most {MAX_REGEX} are allowed"
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
    if any(int(bound) > MAX_REPEATS for bounds in _REPEAT.findall(plain) for bound in bounds if bound):
        return f"RE2 repeats at most {MAX_REPEATS} times"
    return None
