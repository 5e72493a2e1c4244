"""The errors of a call, as exceptions with data.

    EgressError
    ├── InvalidArgument         the request is not valid; see violations
    ├── NotFound                the resource does not exist
    ├── AlreadyExists           create_only was set, and the resource exists
    ├── Aborted                 a concurrent change got in first
    │   └── EtagMismatch        the resource has changed since you read it
    ├── FailedPrecondition      the state of the mesh does not allow it; see findings
    ├── OutOfRange              the data is no longer retained
    │   └── CursorExpired       a watch cannot continue from its cursor: list again
    ├── PermissionDenied        the caller is not allowed to do this
    ├── Unauthenticated         the caller is not authenticated
    ├── ResourceExhausted       a limit is reached; see retry_after
    ├── Unavailable             the server, or something it depends on, cannot be reached
    ├── DeadlineExceeded        the call took longer than its timeout
    ├── Cancelled               the call was cancelled
    ├── Unimplemented           the server does not have the method
    └── InternalError           a bug in the server

The server sends a google.rpc.Status with details (AIP-193). Failures of gRPC itself only have a code and a text. Branch
on the class, or on `reason`, which is stable; never on the message.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from egress.v1.common_pb2 import Finding

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Cancelled",
    "CursorExpired",
    "DeadlineExceeded",
    "EgressError",
    "EtagMismatch",
    "FailedPrecondition",
    "InternalError",
    "InvalidArgument",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
]

_M = TypeVar("_M", bound=Message)


class Violation(NamedTuple):
    """A field that is not valid: its path in the request, such as `service_entry.ports[1].number`, and the problem."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"


class EgressError(Exception):
    """Base class of all errors of a call.

    `code` is the canonical code, such as `NOT_FOUND`; `metadata` has the variable parts of `message`; `retry_after` is
    in seconds, None if the server did not send it; `status` is the status as received.
    """

    code = "UNKNOWN"

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        info = _first(status.details, error_details_pb2.ErrorInfo)
        self.status = status
        self.message: str = status.message
        self.reason: str = info.reason if info else self.code
        self.metadata: dict[str, str] = dict(info.metadata) if info else {}
        self.violations: list[Violation] = [
            Violation(violation.field, violation.description)
            for bad_request in _unpack(status.details, error_details_pb2.BadRequest)
            for violation in bad_request.field_violations
        ]
        self.findings: list[Finding] = list(_unpack(status.details, Finding))
        retry = _first(status.details, error_details_pb2.RetryInfo)
        self.retry_after: float | None = retry.retry_delay.ToTimedelta().total_seconds() if retry else None

    def __str__(self) -> str:
        details = [*map(str, self.violations), *(f"{finding.code}: {finding.cause}" for finding in self.findings)]
        # The server's message is often the first of them.
        return "; ".join(
            [f"{self.reason}: {self.message}", *(detail for detail in details if detail not in self.message)]
        )


class InvalidArgument(EgressError):
    """The request is not valid, whatever the state of the mesh; `violations` has the fields."""

    code = "INVALID_ARGUMENT"


class NotFound(EgressError):
    """The resource does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(EgressError):
    """`create_only` was set and the resource exists."""

    code = "ALREADY_EXISTS"


class Aborted(EgressError):
    """A concurrent change got in first: read again, then retry."""

    code = "ABORTED"


class EtagMismatch(Aborted):
    """The resource has changed since it had the etag that was sent."""


class FailedPrecondition(EgressError):
    """The request is valid, but the state of the mesh does not allow it; `findings` has the reasons and the fixes."""

    code = "FAILED_PRECONDITION"


class OutOfRange(EgressError):
    """The requested data is outside the retained range."""

    code = "OUT_OF_RANGE"


class CursorExpired(OutOfRange):
    """The cursor of a watch is older than the retained history.

    Events after it are lost: list the changes, then watch new events.
    """


class PermissionDenied(EgressError):
    """The caller is not allowed to do this."""

    code = "PERMISSION_DENIED"


class Unauthenticated(EgressError):
    """The caller is not authenticated."""

    code = "UNAUTHENTICATED"


class ResourceExhausted(EgressError):
    """A limit is reached; retry after `retry_after` seconds."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(EgressError):
    """The server, or something it depends on, could not be reached, and all retries failed.

    Trying again with the same request_id is safe.
    """

    code = "UNAVAILABLE"


class DeadlineExceeded(EgressError):
    """The call took longer than its timeout.

    A mutation may have been applied: try again with the same request_id.
    """

    code = "DEADLINE_EXCEEDED"


class Cancelled(EgressError):
    """The call was cancelled."""

    code = "CANCELLED"


class Unimplemented(EgressError):
    """The server does not have this method: it is older than the client, or not an egressd."""

    code = "UNIMPLEMENTED"


class InternalError(EgressError):
    """A bug in the server."""

    code = "INTERNAL"


_BY_CODE = {kind.code: kind for kind in EgressError.__subclasses__()}
_BY_REASON = {"ETAG_MISMATCH": EtagMismatch, "CURSOR_EXPIRED": CursorExpired}


def from_rpc_error(error: grpc.RpcError) -> EgressError:
    """The exception for a failed call of grpc or grpc.aio."""
    status = _status_of(error)
    info = _first(status.details, error_details_pb2.ErrorInfo)
    by_code = _BY_CODE.get(error.code().name, InternalError)
    return _BY_REASON.get(info.reason if info else "", by_code)(status)


def _status_of(error: grpc.RpcError) -> Status:
    try:
        rich = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:  # its code differs from that of the call: a proxy changed it
        rich = None
    return rich or Status(code=error.code().value[0], message=error.details() or "")


def _unpack(details: Iterable[AnyMessage], kind: type[_M]) -> Iterable[_M]:
    for packed in details:
        if packed.Is(kind.DESCRIPTOR):  # type: ignore[arg-type]
            message = kind()
            packed.Unpack(message)
            yield message


def _first(details: Iterable[AnyMessage], kind: type[_M]) -> _M | None:
    return next(iter(_unpack(details, kind)), None)
