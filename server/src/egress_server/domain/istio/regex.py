"""RE2 patterns, as Istio's objects and Envoy's configuration have them."""

import re

# RE2 and Python agree on these: literals, classes, groups, alternatives, and simple repetitions.
_ESCAPES = r"\\[.\\/\-^$|?*+()\[\]{}dDwWsS:_~!@#%&=,;<>'\"` ]"
_CLASS = rf"\[\^?(?:{_ESCAPES}|[^\[\]\\])+\]"
_TOKEN = re.compile(
    rf"(?P<atom>{_ESCAPES}|{_CLASS}|[^\\\[\](){{}}*+?|^$])|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))"
    r"|(?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})\??)(?![*+?{])|(?P<other>[|^$])"
)
_MAX_STEPS = 10**6
_MAX_CHOICES = 10


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
