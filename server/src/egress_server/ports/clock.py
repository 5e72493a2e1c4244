"""Time and ids as ports, so that tests decide them."""

from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4


class Ids(Protocol):
    """Makes unique ids."""

    def __call__(self) -> str:
        """A new id: printable ASCII, never repeated."""


class Clock(Protocol):
    """Tells the wall-clock time; only for display, never to decide."""

    def __call__(self) -> datetime:
        """Now, timezone-aware."""


class Monotonic(Protocol):
    """Tells a time that only goes forward, to measure and to decide by."""

    def __call__(self) -> float:
        """Seconds since some moment in the past, as time.monotonic and as the event loop's time."""


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def uuid_ids() -> str:
    """Random UUIDs in hex."""
    return uuid4().hex
