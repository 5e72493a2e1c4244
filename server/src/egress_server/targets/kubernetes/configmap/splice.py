"""Sets one value in a YAML or JSON text, or restores it, and leaves every other byte as it is.

Istio keeps settings as text inside ConfigMaps that users and helm write. A library that parses and writes such a text
reflows it: comments, quotes and order are lost. So the parser only finds positions, and the edit is made in the text.
If its meaning is ambiguous the text is left alone, and the result is parsed again: nothing but the one value may
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from egress_server.targets.kubernetes.configmap.yaml_positions import Pair, SpliceError, YamlPositions

__all__ = ["PreviousText", "SpliceError", "has", "put", "read", "restore"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")


@dataclass(frozen=True, slots=True)
class PreviousText:
    """What was at a path before it was set: how many keys of the path existed, and the text that was replaced; None if
    the missing keys were added."""

    depth: int
    text: str | None = None


def read(text: str, path: Sequence[str]) -> str | None:
    """The value at `path`; None if there is none, or null. Raises SpliceError."""
    positions = YamlPositions(text)
    pairs = positions.walk(path)
    return None if len(pairs) < len(path) else positions.scalar(pairs[-1].value)


def has(text: str, path: Sequence[str]) -> bool:
    """Whether there is anything at `path`, including null. Raises SpliceError."""
    return len(YamlPositions(text).walk(path)) == len(path)


def put(text: str, path: Sequence[str], value: str) -> tuple[str, PreviousText]:
    """The text with `value` at `path`, and what `restore` needs. Raises SpliceError."""
    positions = YamlPositions(text)
    pairs = positions.walk(path)
    depth = len(pairs)
    container = positions.container(pairs, depth)
    if container is None or positions.is_mapping(container):
        if depth == len(path):
            raise SpliceError(f"{positions.line(pairs[-1].value)}: {path[-1]} is a mapping")
        before = PreviousText(depth)
        new = _insert(positions, container, path[depth:], value)
    else:
        if positions.scalar(container) is not None and depth < len(path):
            raise SpliceError(f"{positions.line(container)}: {'.'.join(path[:depth]) or 'the text'} is not a mapping")
        start, end = positions.start(container), positions.end(container)
        before = PreviousText(depth, text[start:end])
        token = _token(value, like=text[start:end]) if depth == len(path) else _flow(path[depth:], value)
        new = text[:start] + ("" if end > start else " ") + token + text[end:]
    if read(new, path) != value:
        raise SpliceError(f"{'.'.join(path)} can't be set unambiguously")
    _check_unchanged(YamlPositions(new), positions, path, depth, whole_pair=before.text is None)
    return new, before


def restore(text: str, path: Sequence[str], before: PreviousText) -> str:
    """The text with what `put` replaced at `path`; what others have added next to it since stays. Raises
    SpliceError."""
    positions = YamlPositions(text)
    pairs = positions.walk(path)
    if len(pairs) < len(path):
        return text
    positions.scalar(pairs[-1].value)
    level = len(path) - 1
    while level >= before.depth and _is_only(positions, pairs, level):
        level -= 1
    emptied = level < before.depth  # nothing else was added there
    container = positions.container(pairs, before.depth)
    if before.text is not None and emptied and container is not None and not positions.is_block(container):
        start, end = positions.start(container), positions.end(container)
        start -= not before.text and text[start - 1] == " "  # the space that `put` added before a missing value
        new = text[:start] + before.text + text[end:]
        _check_unchanged(positions, YamlPositions(new), path, before.depth, whole_pair=False)
        return new
    level = before.depth if emptied else level
    while level and positions.is_block(pairs[level - 1].value) and _is_only(positions, pairs, level):
        level -= 1  # an empty block mapping can't be written: its key goes as well
    new = _remove(positions, pairs, level)
    _check_unchanged(positions, YamlPositions(new), path, level, whole_pair=True)
    return new


def _is_only(positions: YamlPositions, pairs: Sequence[Pair], level: int) -> bool:
    """Whether the pair at `level` is the only one in its mapping."""
    container = positions.container(pairs, level)
    return container is not None and len(positions.pairs(container)) == 1


def _insert(positions: YamlPositions, container: int | None, names: Sequence[str], value: str) -> str:
    """With a new first pair in the mapping `container`; None if the text is empty."""
    text = positions.text
    if container is None:
        return _lines("", names, value, positions.line_end) + text
    pairs = positions.pairs(container)
    if positions.is_block(container):
        first = positions.start(pairs[0].key)
        start = text.rfind("\n", 0, first) + 1
        lines = _lines(text[start:first], names, value, positions.line_end)
        start = _above_comments(text, start)
        return text[:start] + lines + text[start:]
    place = positions.start(container) + 1
    pair = _flow(names, value)[1:-1]
    if pairs:
        gap = text[place : positions.start(pairs[0].key)]
        place += len(gap)
        pair += "," + (" " if gap.strip() else gap)
    return text[:place] + pair + text[place:]


def _above_comments(text: str, start: int) -> int:
    """The start of the comments directly above a line: they belong to it."""
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if text[above:start].strip()[:1] not in ("", "#"):
            break
        start = above
    return start


def _remove(positions: YamlPositions, pairs: Sequence[Pair], level: int) -> str:
    """Without the pair at `level`: with its lines or, in a flow mapping, with its comma."""
    text, pair = positions.text, pairs[level]
    container = positions.container(pairs, level)
    assert container is not None
    start, end = positions.start(pair.key), positions.end(pair.value)
    if positions.is_block(container):
        start = text.rfind("\n", 0, start) + 1
        end = text.find("\n", end) + 1 or len(text)
        return text[:start] + text[end:]
    siblings = positions.pairs(container)
    index = siblings.index(pair)
    if index + 1 < len(siblings):
        end = positions.start(siblings[index + 1].key)
    elif index:
        start = positions.end(siblings[index - 1].value)
    return text[:start] + text[end:]


def _check_unchanged(
    with_pair: YamlPositions, without_pair: YamlPositions, path: Sequence[str], level: int, *, whole_pair: bool
) -> None:
    """Raises SpliceError unless the two texts have the same content apart from the pair at `level`, which one lacks, or
    apart from what is below it."""
    pairs = with_pair.walk(path)
    if not whole_pair:
        cut, counterpart = _extent(with_pair, pairs, level), _extent(without_pair, without_pair.walk(path), level)
    elif without_pair.root is None and _is_only(with_pair, pairs, 0):
        cut, counterpart = with_pair.all, without_pair.all
    else:
        cut, counterpart = range(pairs[level].key, pairs[level].end), range(0)
    if with_pair.outline(cut) != without_pair.outline(counterpart):
        raise SpliceError(f"{'.'.join(path)} can't be changed without changing something else")


def _extent(positions: YamlPositions, pairs: Sequence[Pair], level: int) -> range:
    container = positions.container(pairs, level)
    return range(0) if container is None else positions.extent(container)


def _lines(indent: str, names: Sequence[str], value: str, line_end: str) -> str:
    """A block-style pair, on lines of its own."""
    keys = [f"{indent}{'  ' * depth}{name}:" for depth, name in enumerate(names)]
    return line_end.join(keys) + f" {_token(value)}{line_end}"


def _flow(names: Sequence[str], value: str) -> str:
    """A flow mapping, which is JSON as well."""
    text = _token(value, like='"')
    for name in reversed(names):
        text = f'{{"{name}": {text}}}'
    return text


def _token(value: str, like: str = "") -> str:
    """The value as it is written: quoted, unless `like` is a plain word or empty."""
    return value if value and set(value + like) <= _PLAIN else orjson.dumps(value).decode()
