"""How the transcoder reports problems: with single fields to a collector that it is given, with the rest by raising."""

from collections.abc import Mapping
from typing import Protocol

SHOWN = 64
"""Characters of a name chosen by the caller that an error repeats."""


class ProblemCollector(Protocol):
    """Collects problems below one path; `at` and `key` return a collector for a deeper path."""

    def at(self, *steps: str | int) -> "ProblemCollector":
        """The path below: strings are fields, numbers are positions in a list."""

    def key(self, key: str) -> "ProblemCollector":
        """The path of a map entry."""

    def add(self, description: str) -> None:
        """Adds a problem at this path."""

    @property
    def any(self) -> bool:
        """Whether there are problems at any path."""


class TranscodingError(Exception):
    """A request that cannot be read at all. `reason` is stable and in UPPER_SNAKE_CASE."""

    def __init__(self, message: str, reason: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}


def malformed(message: str, **metadata: str) -> TranscodingError:
    """A request that is malformed."""
    return TranscodingError(message, "MALFORMED_REQUEST", metadata)


class Trial:
    """Only finds out whether there are problems."""

    def __init__(self) -> None:
        self.any = False

    def at(self, *_: str | int) -> "Trial":
        """The same trial."""
        return self

    def key(self, _: str) -> "Trial":
        """The same trial."""
        return self

    def add(self, _: str) -> None:
        """Remembers that there is a problem."""
        self.any = True
