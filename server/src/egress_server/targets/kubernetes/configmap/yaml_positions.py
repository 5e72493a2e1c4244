"""A YAML or JSON text with the position of everything in it, parsed as strictly as an edit requires.

The parser is libyaml, whose Go port istiod uses: the two agree on where nodes begin and end, and what it can't parse
istiod can't parse either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

MAX_LENGTH = 256 * 1024  # parsing takes most of a second, and blocks the event loop
MAX_DEPTH = 64
_NULLS = ("", "~", "null", "Null", "NULL")


class SpliceError(ValueError):
    """The text can't be edited safely; the message is human-readable."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value, as indexes of events; the value's events end before `end`."""

    key: int
    value: int
    end: int


class YamlPositions:
    """One document, or none if the text is empty. Nodes are identified by the index of their first event."""

    def __init__(self, text: str) -> None:
        """Raises SpliceError."""
        self.text = text
        self.line_end = "\r\n" if "\r\n" in text else "\n"
        self._events = _events(text)
        self._ends = _ends(self._events)
        self.root = 2 if len(self._events) > 2 else None
        """The outermost node."""
        for index, event in enumerate(self._events):
            if isinstance(event, yaml.MappingStartEvent):
                self._check_keys(index)

    def walk(self, path: Sequence[str]) -> list[Pair]:
        """The pairs along `path`, as far as it exists. Raises SpliceError if its meaning depends on other parts of the
        text."""
        found: list[Pair] = []
        node = self.root
        for name in path:
            if node is None or not self.is_mapping(node):
                break
            pair = next((p for p in self.pairs(node) if self._events[p.key].value == name), None)
            if pair is None:
                break
            found.append(pair)
            node = pair.value
        return found

    def container(self, walked: Sequence[Pair], depth: int) -> int | None:
        """The node that `depth` keys lead to, which contains the pair at that level, if any."""
        return walked[depth - 1].value if depth else self.root

    def pairs(self, mapping: int) -> list[Pair]:
        """All pairs of a mapping."""
        found: list[Pair] = []
        key = mapping + 1
        while not isinstance(self._events[key], yaml.MappingEndEvent):
            value = self._ends[key]
            found.append(Pair(key, value, self._ends[value]))
            key = found[-1].end
        return found

    def is_mapping(self, node: int) -> bool:
        """Whether it is a mapping. Raises SpliceError if the node is an alias, or is anchored or tagged."""
        event = self._events[node]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
            raise SpliceError(f"{self.line(node)}: uses an anchor, an alias or a tag")
        return isinstance(event, yaml.MappingStartEvent)

    def is_block(self, node: int) -> bool:
        """Whether it is a block-style mapping."""
        event = self._events[node]
        return isinstance(event, yaml.MappingStartEvent) and not event.flow_style

    def scalar(self, node: int) -> str | None:
        """The text of a plain value; None if it is null. Raises SpliceError if it is not a plain value."""
        event = self._events[node]
        if self.is_mapping(node) or not isinstance(event, yaml.ScalarEvent) or event.style in ("|", ">"):
            raise SpliceError(f"{self.line(node)}: not a plain value")
        value: str = event.value
        return None if event.implicit[0] and value in _NULLS else value

    def start(self, node: int) -> int:
        """Where the node begins in the text."""
        place: int = self._events[node].start_mark.index
        return place

    def end(self, node: int) -> int:
        """Where the node ends in the text. The parser ends a block mapping where the next node begins; here it ends
        with its last value."""
        events = self._events[node : self._ends[node]]
        last = next(e for e in reversed(events) if isinstance(e, yaml.NodeEvent) or _width(e))
        place: int = last.end_mark.index
        return place

    def line(self, node: int) -> str:
        """Its line number, human-readable."""
        return _line(self._events[node])

    def outline(self, leave_out: range) -> list[dict[str, Any]]:
        """The content of the text without positions, except for the events in `leave_out`."""
        return [_plain(event) for index, event in enumerate(self._events) if index not in leave_out]

    def extent(self, node: int) -> range:
        """The events of a node."""
        return range(node, self._ends[node])

    @property
    def all(self) -> range:
        """All events."""
        return range(len(self._events))

    def _check_keys(self, mapping: int) -> None:
        seen: set[str] = set()
        for pair in self.pairs(mapping):
            event = self._events[pair.key]
            if not isinstance(event, yaml.ScalarEvent) or (event.implicit[0] and event.value in _NULLS):
                raise SpliceError(f"{self.line(pair.key)}: a key must be plain text")
            if event.value == "<<":
                raise SpliceError(f"{self.line(pair.key)}: uses a merge key (<<)")
            if event.value in seen:
                raise SpliceError(f"{self.line(pair.key)}: {event.value!r:.80} is set twice")
            seen.add(event.value)


def _events(text: str) -> list[Any]:
    if len(text) > MAX_LENGTH:
        raise SpliceError(f"has {len(text)} characters; at most {MAX_LENGTH} are read")
    if text.startswith("\ufeff"):
        raise SpliceError("begins with a byte order mark")
    try:
        events: list[Any] = list(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SpliceError(f"{position}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SpliceError(str(error).partition("\n")[0]) from error
    if sum(isinstance(event, yaml.DocumentStartEvent) for event in events) > 1:
        raise SpliceError("has more than one document")
    _check_aliases(events)
    return events


def _ends(events: Sequence[Any]) -> dict[int, int]:
    """For each node, by the index of its first event, the index after its last."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for index, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(index)
            if len(opened) > MAX_DEPTH:
                raise SpliceError(f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            ends[opened.pop()] = index + 1
        elif isinstance(event, yaml.NodeEvent):
            ends[index] = index + 1
    return ends


def _check_aliases(events: Sequence[Any]) -> None:
    """The parser accepts an alias without an anchor; readers of the text don't."""
    known: set[str] = set()
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in known:
                raise SpliceError(f"{_line(event)}: there is no anchor {event.anchor!r:.80}")
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            known.add(event.anchor)


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _width(event: Any) -> int:
    width: int = event.end_mark.index - event.start_mark.index
    return width


def _plain(event: Any) -> dict[str, Any]:
    plain = {name: value for name, value in vars(event).items() if not name.endswith("_mark")}
    return {"type": type(event), **plain}
