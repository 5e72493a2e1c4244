"""Pieces that several messages share: enums, times, scopes, selectors."""

from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2

from egress.v1 import common_pb2
from egress_server.domain.resources import ClusterSelector, Scope
from egress_server.domain.validate import Problems

E = TypeVar("E", bound=Enum)


def read_enum(wrapper: Any, number: int, choices: type[E], default: E | None, problems: Problems) -> E:
    """The domain's value of an enum field; `default` None means that it must be set.

    Proto enums are open: a number that we don't know arrives as it is, and is refused here by its path.
    """
    known = [name for name in wrapper.keys() if not name.endswith("_UNSPECIFIED")]  # noqa: SIM118
    if number == 0 and default is not None:
        return default
    descriptor = wrapper.DESCRIPTOR.values_by_number.get(number)
    if descriptor is None or number == 0:
        said = f"{number} is not known; " if number else ""
        problems.add(f"{said}must be one of {', '.join(known)}")
        return default or next(iter(choices))
    return choices[descriptor.name]


def write_time(time: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A time as a Timestamp, to the millisecond as the store keeps it."""
    if time is None:
        return None
    stamp = timestamp_pb2.Timestamp()
    stamp.FromMilliseconds(round(time.timestamp() * 1000))
    return stamp


def write_duration(seconds: float | None) -> duration_pb2.Duration | None:
    """Seconds as a Duration, to the microsecond."""
    if seconds is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration


def read_seconds(duration: duration_pb2.Duration) -> float:
    """A Duration in seconds; anything beyond a century is cut, so that arithmetic stays sane."""
    limit = 100 * 365 * 86400
    return max(-limit, min(duration.seconds, limit)) + duration.nanos / 1e9


def read_scope(message: common_pb2.Scope) -> Scope:
    """A scope."""
    return Scope(message.namespace, dict(message.match_labels))


def write_scope(scope: Scope) -> common_pb2.Scope | None:
    """A scope; None for the mesh."""
    if scope == Scope():
        return None
    return common_pb2.Scope(namespace=scope.namespace, match_labels=scope.match_labels)


def read_selector(message: common_pb2.ClusterSelector) -> ClusterSelector:
    """A cluster selector."""
    return ClusterSelector(tuple(message.clusters), dict(message.match_labels))


def write_selector(selector: ClusterSelector) -> common_pb2.ClusterSelector | None:
    """A cluster selector; None for all clusters."""
    if selector == ClusterSelector():
        return None
    return common_pb2.ClusterSelector(clusters=selector.clusters, match_labels=selector.match_labels)
