"""Time and ids as ports, so that tests decide them."""

from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4


class Ids(Protocol):
    """Generates unique ids."""

    def __call__(self) -> str:
        """A new id: printable ASCII, never repeated."""


class Clock(Protocol):
    """The wall-clock time, for display only: decisions use Monotonic or the store's clock."""

    def __call__(self) -> datetime:
        """Now, timezone-aware."""


class Monotonic(Protocol):
    """A clock that only goes forward, to measure and to decide by."""

    def __call__(self) -> float:
        """Seconds since some moment in the past, as time.monotonic and the event loop's time."""


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def uuid_ids() -> str:
    """Random UUIDs in hex."""
    return uuid4().hex
