"""Host names and their wildcards as Istio compares them (pkg/config/host/name.go)."""

from collections.abc import Iterable

WILDCARD = "*"


def is_wildcard(host: str) -> bool:
    """Whether a name includes further names, such as `*.example.com`."""
    return host.startswith(WILDCARD)


def overlaps(one: str, other: str) -> bool:
    """Whether a wildcard includes the other name, in either direction, or both are equal."""
    if is_wildcard(one) and is_wildcard(other):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    return is_subset(one, other) or is_subset(other, one)


def is_subset(host: str, of: str) -> bool:
    """Whether every name that `host` includes is included in `of`."""
    if is_wildcard(of):
        return host.removeprefix(WILDCARD).endswith(of[1:]) and len(host) >= len(of) - (not is_wildcard(host))
    return host == of


def most_specific(host: str, among: Iterable[str]) -> str | None:
    """The name of `among` that applies to a host: the same, else the longest wildcard that includes it."""
    found = [name for name in among if name == host or (is_wildcard(name) and is_subset(host, name))]
    return min(found, key=lambda name: (name != host, -len(name), name), default=None)
