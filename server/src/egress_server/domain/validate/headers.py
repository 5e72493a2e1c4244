"""Rules of header matches, as Envoy reads them."""

import re
from collections.abc import Sequence

from egress_server.domain.resources import HeaderMatch, MatchKind
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.regex import what_is_wrong_with_regex
from egress_server.domain.validate.values import check_count

MAX_HEADERS = 32
MAX_NAME = 128
MAX_VALUE = 1024
# RFC 9110's token in lower case: that is how HTTP/2, and so Envoy, writes header names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# Istio reads these as other parts of the request, and passes over them in a header match.
_IGNORED = frozenset({"uri", "scheme", "method", "authority"})


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
    return what_is_wrong_with_regex(value) if match.kind is MatchKind.REGEX else None
