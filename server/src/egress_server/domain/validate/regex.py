"""Rules of regular expressions, which Envoy reads by RE2.

One that Envoy refuses keeps a sidecar from taking any configuration at all. There is no RE2 here, so what Python can't
read is refused, what only Python understands by its look, and what grows too large by an estimate on the safe side.
"""

import re

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
