"""Reads an untyped mapping field by field; collects problems with their paths, including unknown fields."""

import re
from collections.abc import Container, Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar

from egress_server.domain.validate import Problems
from egress_server.domain.validate.values import CONTROL_CHARACTERS, NO_CONTROL_CHARACTERS

E = TypeVar("E", bound=Enum)


class Fields:
    """One mapping. Every reader returns an empty value if the field is missing or invalid."""

    def __init__(self, mapping: Mapping[str, Any], problems: Problems) -> None:
        self._mapping = mapping
        self._read: set[str] = set()
        self.problems = problems

    def _get(self, name: str) -> Any:
        self._read.add(name)
        return self._mapping.get(name)

    def has(self, name: str) -> bool:
        """Whether the field is present."""
        return self._mapping.get(name) is not None

    def ignore(self, name: str) -> None:
        """Accept and ignore the field."""
        self._read.add(name)

    def refuse_rest(self) -> None:
        """Every field that has not been read is a problem: none is silently dropped."""
        for name in self._mapping:
            if name not in self._read:
                self.problems.at(name).add("is not a supported field; remove it")

    def refuse_others(self, *names: str) -> None:
        """Refuse all fields but `names`."""
        self._read.update(names)
        self.refuse_rest()

    def refuse(self, name: str, reason: str) -> None:
        """Refuse one field, if it is present, for this reason."""
        self._read.add(name)
        if name in self._mapping:
            self.problems.at(name).add(reason)

    def child(self, name: str) -> "Fields":
        """A nested mapping."""
        value = self._get(name)
        if not isinstance(value, dict):
            if value is not None:
                self.problems.at(name).add("must be a mapping")
            value = {}
        return Fields(value, self.problems.at(name))

    def children(self, name: str) -> Iterator["Fields"]:
        """A list of mappings."""
        for index, value in enumerate(self._list(name)):
            here = self.problems.at(name, index)
            if not isinstance(value, dict):
                here.add("must be a mapping")
                value = {}
            yield Fields(value, here)

    def text(self, name: str) -> str:
        """A string."""
        return _text(self._get(name), self.problems.at(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(_text(value, self.problems.at(name, index)) for index, value in enumerate(self._list(name)))

    def number(self, name: str) -> int:
        """A 32-bit integer; 0 if missing."""
        return _number(self._get(name), self.problems.at(name))

    def decimal(self, name: str) -> float:
        """A number; 0 if missing."""
        value = self._get(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problems.at(name).add("must be a number")
            return 0.0
        return float(value)

    def duration(self, name: str) -> float:
        """A duration in seconds; 0 if missing."""
        text = self.text(name)
        try:
            return parse_duration(text) if text else 0.0
        except ValueError as error:
            self.problems.at(name).add(str(error))
            return 0.0

    def children_by_name(self, name: str) -> Iterator[tuple[str, "Fields"]]:
        """A mapping of mappings; null is an empty one."""
        child = self.child(name)
        for key, value in child._mapping.items():
            here = child.problems.key(key)
            if value is not None and not isinstance(value, dict):
                here.add("must be a mapping")
            yield key, Fields(value if isinstance(value, dict) else {}, here)

    def texts_by_name(self, name: str, *, omit: Container[str] = ()) -> dict[str, str]:
        """A mapping of strings, without the names to omit."""
        child = self.child(name)
        return {
            _text(key, child.problems.key(key)): _text(value, child.problems.key(key))
            for key, value in child._mapping.items()
            if key not in omit
        }

    def numbers_by_name(self, name: str) -> dict[str, int]:
        """A mapping of integers."""
        child = self.child(name)
        return {key: _number(value, child.problems.key(key)) for key, value in child._mapping.items()}

    def choice(self, name: str, choices: type[E], default: E | None) -> E:
        """A member of an enumeration by its value, ignoring case; if `default` is None, the field is required."""
        value = self.text(name)
        if not value and default is not None:
            return default
        found = next((choice for choice in choices if choice.value == value.upper()), None)
        if found is None:
            known = ", ".join(choice.value for choice in choices if choice.value)
            self.problems.at(name).add(f"{value!r} must be one of {known}" if value else f"must be one of {known}")
        return found or default or next(iter(choices))

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problems.at(name).add("must be a list")
            return []
        return value


def _text(value: Any, problems: Problems) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        problems.add("must be a string" if isinstance(value, dict | list) else "must be a string; put it in quotes")
        return ""
    if CONTROL_CHARACTERS.search(value):
        problems.add(NO_CONTROL_CHARACTERS)
        return ""
    return value


def _number(value: Any, problems: Problems) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        problems.add("must be an integer")
        return 0
    return value


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(h|ms|m|s|us|µs|ns)")


def parse_duration(text: str) -> float:
    """Parse a Go duration to seconds; raises ValueError with a human-readable message."""
    seconds, position = 0.0, 0
    while position < len(text) or not text:
        part = _PART.match(text, position)
        if part is None:
            raise ValueError("not a valid duration; use a format such as 5s, 1.5s or 100ms")
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return seconds
