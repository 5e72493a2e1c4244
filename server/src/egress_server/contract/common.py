"""Converts what several messages share: enums, times, scopes, selectors, header matches, findings."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2

from egress.v1 import common_pb2
from egress.v1 import service_entry_pb2 as pb
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.resources import HeaderMatch, MatchKind, StringMatch
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.validate import Problems

E = TypeVar("E", bound=Enum)
_ALL_CLUSTERS = ClusterSelector()


class EnumField(Generic[E]):
    """Converts between a proto enum and the domain enum with the same names. Built once, because descriptors are
    slow."""

    def __init__(self, wrapper: Any, choices: type[E], default: E | None = None) -> None:
        """`default` is the meaning of 0; None if the field is required."""
        self._numbers = {choices[name]: number for name, number in wrapper.items() if name in choices.__members__}
        self._values = {number: value for value, number in self._numbers.items()}
        self._fallback = default or next(iter(choices))
        if default is not None:
            self._values[0] = default
            self._numbers.setdefault(default, 0)

    def read(self, number: int, problems: Problems) -> E:
        """The domain value. Proto enums are open, so an unknown number gets here and is reported with its path."""
        value = self._values.get(number)
        if value is None:
            unknown = f"{number} is unknown; " if number else ""
            problems.add(f"{unknown}must be one of {', '.join(choice.name for choice in self._numbers)}")
            return self._fallback
        return value

    def write(self, value: E) -> Any:
        """The number. The generated code has a separate type for each enum."""
        return self._numbers[value]


def write_time(time: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A time as a Timestamp with milliseconds, the precision of the store."""
    if time is None:
        return None
    seconds, milliseconds = divmod(round(time.timestamp() * 1000), 1000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)


def write_duration(seconds: float | None) -> duration_pb2.Duration | None:
    """Seconds as a Duration with microseconds."""
    if seconds is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration


def read_seconds(duration: duration_pb2.Duration) -> float:
    """A Duration in seconds, limited to a century so that arithmetic cannot overflow."""
    limit = 100 * 365 * 86400
    # One division of integers gives the nearest float, which is what the same time was before it was sent.
    return (max(-limit, min(duration.seconds, limit)) * 1_000_000_000 + duration.nanos) / 1_000_000_000


def read_optional_seconds(message: Any, field: str) -> float | None:
    """The Duration in a field of `message` in seconds; None if it is not set."""
    return read_seconds(getattr(message, field)) if message.HasField(field) else None


def read_scope(message: common_pb2.Scope) -> Scope:
    """A scope."""
    return Scope(message.namespace, dict(message.match_labels))


def write_scope(scope: Scope) -> common_pb2.Scope | None:
    """A scope; None for the whole mesh."""
    if scope == Scope():
        return None
    return common_pb2.Scope(namespace=scope.namespace, match_labels=scope.match_labels)


def read_selector(message: common_pb2.ClusterSelector) -> ClusterSelector:
    """A cluster selector."""
    if not message.ListFields():
        return _ALL_CLUSTERS
    return ClusterSelector(tuple(message.clusters), dict(message.match_labels))


def write_selector(selector: ClusterSelector) -> common_pb2.ClusterSelector | None:
    """A cluster selector; None for all clusters."""
    if not selector.clusters and not selector.match_labels:
        return None
    return common_pb2.ClusterSelector(clusters=selector.clusters, match_labels=selector.match_labels)


def read_headers(messages: Iterable[pb.HeaderMatch]) -> tuple[HeaderMatch, ...]:
    """Header matches."""
    return tuple(_read_header(message) for message in messages)


def _read_header(message: pb.HeaderMatch) -> HeaderMatch:
    kind = message.WhichOneof("value")
    if kind is None:
        return HeaderMatch(message.name)
    return HeaderMatch(message.name, MatchKind(kind), getattr(message, kind))


def write_headers(matches: Iterable[HeaderMatch]) -> list[pb.HeaderMatch]:
    """Header matches."""
    return [_write_header(match) for match in matches]


def read_string_match(message: Any, field: str) -> StringMatch | None:
    """The StringMatch in a field of `message`; None if it is not set."""
    if not message.HasField(field):
        return None
    match = getattr(message, field)
    kind = match.WhichOneof("value")
    return StringMatch(MatchKind(kind), getattr(match, kind)) if kind else StringMatch(MatchKind.PRESENT)


def write_string_match(match: StringMatch | None) -> pb.StringMatch | None:
    """A StringMatch; None if there is no condition."""
    if match is None:
        return None
    return pb.StringMatch() if match.kind is MatchKind.PRESENT else pb.StringMatch(**{match.kind.value: match.value})


def _write_header(match: HeaderMatch) -> pb.HeaderMatch:
    match match.kind:
        case MatchKind.EXACT:
            return pb.HeaderMatch(name=match.name, exact=match.value)
        case MatchKind.PREFIX:
            return pb.HeaderMatch(name=match.name, prefix=match.value)
        case MatchKind.REGEX:
            return pb.HeaderMatch(name=match.name, regex=match.value)
    return pb.HeaderMatch(name=match.name)


def write_finding(finding: Finding) -> common_pb2.Finding:
    """A lint finding."""
    return common_pb2.Finding(
        code=finding.code,
        severity=common_pb2.Finding.Severity.Value(finding.severity.value),
        field=finding.field,
        resource=finding.resource,
        cause=finding.cause,
        fix=finding.fix,
        suppressible=finding.forceable,
        related_codes=finding.related_codes,
    )
