"""What can go wrong in a call, as exceptions that carry data.

    EgressError
    ├── InvalidArgument         the request is wrong; see violations
    ├── NotFound                what was named does not exist
    ├── AlreadyExists           create_only was set, and it exists
    ├── Aborted                 somebody else was faster
    │   └── EtagMismatch        the resource is no longer the one you have seen
    ├── FailedPrecondition      the state of the mesh forbids it; see findings
    ├── OutOfRange              what was asked for is not kept any more
    │   └── CursorExpired       a watch can't go on from there: list again
    ├── PermissionDenied        you are known and may not
    ├── Unauthenticated         you are not known
    ├── ResourceExhausted       a limit is reached; see retry_after
    ├── Unavailable             the server, or something it needs, is away
    ├── DeadlineExceeded        it took longer than the timeout
    ├── Cancelled               the call was given up
    ├── Unimplemented           the server is older than this client
    └── InternalError           a fault of the server's

The server sends a google.rpc.Status with details (AIP-193); gRPC's own failures carry a code and a
text only. Branch on the class, or on `reason`, which is stable; never on the message.
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
    """One bad field: its path in the request, such as `service_entry.ports[1].number`, and what
    is wrong with it.
    """

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"


class EgressError(Exception):
    """Base of all errors of a call.

    `code` is the canonical code, such as `NOT_FOUND`; `metadata` holds the dynamic words of
    `message`; `retry_after` is in seconds, None where the server did not say; `status` is what came
    over the wire.
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
        # The server's message often is the first of them.
        return "; ".join(
            [f"{self.reason}: {self.message}", *(detail for detail in details if detail not in self.message)]
        )


class InvalidArgument(EgressError):
    """The request is wrong whatever the state of the mesh; `violations` names the fields."""

    code = "INVALID_ARGUMENT"


class NotFound(EgressError):
    """What was named does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(EgressError):
    """`create_only` was set and the resource exists."""

    code = "ALREADY_EXISTS"


class Aborted(EgressError):
    """Somebody else was faster: look again, then retry."""

    code = "ABORTED"


class EtagMismatch(Aborted):
    """The resource has changed since the etag that was sent."""


class FailedPrecondition(EgressError):
    """The request is right and the state of the mesh forbids it; `findings` says why and what to
    do.
    """

    code = "FAILED_PRECONDITION"


class OutOfRange(EgressError):
    """What was asked for lies outside of what is there."""

    code = "OUT_OF_RANGE"


class CursorExpired(OutOfRange):
    """The cursor of a watch is older than what the server keeps.

    Events are lost between it and the oldest kept: list the changes, then watch from now on.
    """


class PermissionDenied(EgressError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class Unauthenticated(EgressError):
    """The caller is not known."""

    code = "UNAUTHENTICATED"


class ResourceExhausted(EgressError):
    """A limit is reached; `retry_after` says when to come back."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(EgressError):
    """The server, or something it needs, is away, and was through every retry.

    The same request_id makes it safe to try again.
    """

    code = "UNAVAILABLE"


class DeadlineExceeded(EgressError):
    """The call took longer than its timeout.

    A mutation may have happened: ask again with the same request_id.
    """

    code = "DEADLINE_EXCEEDED"


class Cancelled(EgressError):
    """The call was given up."""

    code = "CANCELLED"


class Unimplemented(EgressError):
    """The server does not know this method: it is older than the client, or no egressd."""

    code = "UNIMPLEMENTED"


class InternalError(EgressError):
    """A fault of the server's."""

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
    except ValueError:  # it speaks of another code than the call ended with: a proxy has been at it
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
