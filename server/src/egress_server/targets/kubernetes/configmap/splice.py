"""Sets one value in a YAML or JSON text, or takes it back, and leaves every other byte as it is.

Istio keeps settings as text inside ConfigMaps that people and helm write. A library that reads such a text and writes
it again reflows it: comments, quotes and order go. So the parser only says where things stand, and the change is made
in the text. Where it is not certain what that means the text is left alone, and what came out is read again: nothing
but the one value may differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from egress_server.targets.kubernetes.configmap.yaml_positions import Pair, SpliceError, YamlPositions

__all__ = ["Before", "SpliceError", "has", "put", "read", "restore"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")


@dataclass(frozen=True, slots=True)
class Before:
    """What stood at a path before it was set: how many keys of the path there were, and the text that was replaced;
    None where what was missing was added."""

    depth: int
    text: str | None = None


def read(text: str, path: Sequence[str]) -> str | None:
    """The value at `path`; None where there is none, or null. Raises SpliceError."""
    placed = YamlPositions(text)
    pairs = placed.walk(path)
    return None if len(pairs) < len(path) else placed.scalar(pairs[-1].value)


def has(text: str, path: Sequence[str]) -> bool:
    """Whether anything is at `path`, be it null. Raises SpliceError."""
    return len(YamlPositions(text).walk(path)) == len(path)


def put(text: str, path: Sequence[str], value: str) -> tuple[str, Before]:
    """The text with `value` at `path`, and what `restore` needs. Raises SpliceError."""
    placed = YamlPositions(text)
    pairs = placed.walk(path)
    depth = len(pairs)
    holder = placed.holder(pairs, depth)
    if holder is None or placed.is_mapping(holder):
        if depth == len(path):
            raise SpliceError(f"{placed.line(pairs[-1].value)}: {path[-1]} is a mapping")
        before = Before(depth)
        new = _insert(placed, holder, path[depth:], value)
    else:
        if placed.scalar(holder) is not None and depth < len(path):
            raise SpliceError(f"{placed.line(holder)}: {'.'.join(path[:depth]) or 'all of it'} is not a mapping")
        start, end = placed.start(holder), placed.end(holder)
        before = Before(depth, text[start:end])
        token = _token(value, like=text[start:end]) if depth == len(path) else _flow(path[depth:], value)
        new = text[:start] + ("" if end > start else " ") + token + text[end:]
    if read(new, path) != value:
        raise SpliceError(f"{'.'.join(path)} can't be set with certainty")
    _check_rest(YamlPositions(new), placed, path, depth, whole_pair=before.text is None)
    return new, before


def restore(text: str, path: Sequence[str], before: Before) -> str:
    """The text with what `put` found at `path`; what others have written beside it since then stays. Raises
    SpliceError."""
    placed = YamlPositions(text)
    pairs = placed.walk(path)
    if len(pairs) < len(path):
        return text
    placed.scalar(pairs[-1].value)
    level = len(path) - 1
    while level >= before.depth and _is_only(placed, pairs, level):
        level -= 1
    emptied = level < before.depth  # nobody wrote beside it
    holder = placed.holder(pairs, before.depth)
    if before.text is not None and emptied and holder is not None and not placed.is_block(holder):
        start, end = placed.start(holder), placed.end(holder)
        start -= not before.text and text[start - 1] == " "  # the space that stands where no value stood
        new = text[:start] + before.text + text[end:]
        _check_rest(placed, YamlPositions(new), path, before.depth, whole_pair=False)
        return new
    level = before.depth if emptied else level
    while level and placed.is_block(pairs[level - 1].value) and _is_only(placed, pairs, level):
        level -= 1  # an empty mapping needs braces: its key goes as well
    new = _remove(placed, pairs, level)
    _check_rest(placed, YamlPositions(new), path, level, whole_pair=True)
    return new


def _is_only(placed: YamlPositions, pairs: Sequence[Pair], level: int) -> bool:
    """Whether the pair at `level` has nothing beside it."""
    holder = placed.holder(pairs, level)
    return holder is not None and len(placed.pairs(holder)) == 1


def _insert(placed: YamlPositions, holder: int | None, names: Sequence[str], value: str) -> str:
    """With a new first pair in the mapping `holder`; None is that of an empty text."""
    text = placed.text
    if holder is None:
        return _lines("", names, value, placed.line_end) + text
    pairs = placed.pairs(holder)
    if placed.is_block(holder):
        first = placed.start(pairs[0].key)
        start = text.rfind("\n", 0, first) + 1
        lines = _lines(text[start:first], names, value, placed.line_end)
        start = _above_comments(text, start)
        return text[:start] + lines + text[start:]
    place = placed.start(holder) + 1
    pair = _flow(names, value)[1:-1]
    if pairs:
        gap = text[place : placed.start(pairs[0].key)]
        place += len(gap)
        pair += "," + (" " if gap.strip() else gap)
    return text[:place] + pair + text[place:]


def _above_comments(text: str, start: int) -> int:
    """The beginning of the comments that stand above a line: they belong to it."""
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if text[above:start].strip()[:1] not in ("", "#"):
            break
        start = above
    return start


def _remove(placed: YamlPositions, pairs: Sequence[Pair], level: int) -> str:
    """Without the pair at `level`: with its lines, or between braces with its comma."""
    text, pair = placed.text, pairs[level]
    holder = placed.holder(pairs, level)
    assert holder is not None
    start, end = placed.start(pair.key), placed.end(pair.value)
    if placed.is_block(holder):
        start = text.rfind("\n", 0, start) + 1
        end = text.find("\n", end) + 1 or len(text)
        return text[:start] + text[end:]
    siblings = placed.pairs(holder)
    index = siblings.index(pair)
    if index + 1 < len(siblings):
        end = placed.start(siblings[index + 1].key)
    elif index:
        start = placed.end(siblings[index - 1].value)
    return text[:start] + text[end:]


def _check_rest(
    having: YamlPositions, lacking: YamlPositions, path: Sequence[str], level: int, *, whole_pair: bool
) -> None:
    """That the two say the same beside the pair at `level`, which one lacks, or beside what stands below it."""
    pairs = having.walk(path)
    if not whole_pair:
        cut, counterpart = _extent(having, pairs, level), _extent(lacking, lacking.walk(path), level)
    elif lacking.root is None and _is_only(having, pairs, 0):
        cut, counterpart = having.all, lacking.all
    else:
        cut, counterpart = range(pairs[level].key, pairs[level].end), range(0)
    if having.outline(cut) != lacking.outline(counterpart):
        raise SpliceError(f"{'.'.join(path)} can't be changed without changing something else")


def _extent(placed: YamlPositions, pairs: Sequence[Pair], level: int) -> range:
    holder = placed.holder(pairs, level)
    return range(0) if holder is None else placed.extent(holder)


def _lines(indent: str, names: Sequence[str], value: str, line_end: str) -> str:
    """A pair without braces, on lines of its own."""
    keys = [f"{indent}{'  ' * depth}{name}:" for depth, name in enumerate(names)]
    return line_end.join(keys) + f" {_token(value)}{line_end}"


def _flow(names: Sequence[str], value: str) -> str:
    """A mapping between braces, so that it is JSON as well."""
    text = _token(value, like='"')
    for name in reversed(names):
        text = f'{{"{name}": {text}}}'
    return text


def _token(value: str, like: str = "") -> str:
    """The value as it is written: in quotes, but a plain word where `like` is one, or nothing."""
    return value if value and set(value + like) <= _PLAIN else orjson.dumps(value).decode()
