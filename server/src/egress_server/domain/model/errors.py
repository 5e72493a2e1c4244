"""Errors as data: what went wrong, where, and what the caller can do about it.

Everything below the pipeline raises these, and only the pipeline converts them to a google.rpc.Status. Reasons are
stable and in UPPER_SNAKE_CASE (AIP-193), so that scripts can branch on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from egress_server.domain.model.findings import Finding


class Code(Enum):
    """The codes of google.rpc.Code in use, with their wire numbers."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Violation:
    """One invalid field: its path in proto names, such as `service_entry.ports[1].number`, and the problem."""

    field: str
    description: str


class EgressError(Exception):
    """Base class of all errors that a caller may see.

    `metadata` holds each dynamic part of the message; `retry_after` is in seconds.
    """

    code: ClassVar[Code] = Code.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        findings: Sequence[Finding] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.findings = tuple(findings)
        self.retry_after = retry_after


class InvalidArgument(EgressError):
    """The request is invalid regardless of the state of the system."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_FIELD"


class NotFound(EgressError):
    """The named resource does not exist."""

    code = Code.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(EgressError):
    """create_only was set, but the resource already exists."""

    code = Code.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class FailedPrecondition(EgressError):
    """The request is valid, but the state of the system does not allow it."""

    code = Code.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Aborted(EgressError):
    """A concurrent change got in the way; read the resource again and retry."""

    code = Code.ABORTED
    reason = "ABORTED"


class OutOfRange(EgressError):
    """The requested revision is older than the retained history."""

    code = Code.OUT_OF_RANGE
    reason = "OUT_OF_RANGE"


class PermissionDenied(EgressError):
    """The caller is authenticated but not allowed to do this."""

    code = Code.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class ResourceExhausted(EgressError):
    """A limit has been reached; `retry_after` says when to retry."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class Unavailable(EgressError):
    """A dependency is unavailable; a retry may succeed."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"


class DeadlineExceeded(EgressError):
    """The call's deadline expired before it was done."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Unimplemented(EgressError):
    """The method does not exist."""

    code = Code.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


def invalid(field: str, description: str) -> InvalidArgument:
    """An InvalidArgument about one field."""
    return invalid_fields([Violation(field, description)])


def invalid_fields(violations: Sequence[Violation]) -> InvalidArgument:
    """An InvalidArgument about at least one field."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return InvalidArgument(f"{first.field}: {first.description}{more}", violations=violations)


class TransientError(Exception):
    """Raised by a target if a retry may succeed, after `retry_after` seconds if given."""

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class PermanentError(Exception):
    """Raised by a target if a retry is useless until the desired state or the cluster changes."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
