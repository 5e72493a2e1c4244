"""Converts domain errors to google.rpc.Status, for all transports.

gRPC sends the Status in trailers, which fail above about 8 KB. So a Status has at most 10 violations and findings, or
as many as fit; the ErrorInfo's metadata has the total number.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from egress.v1 import common_pb2
from egress_server.contract.common import write_finding
from egress_server.domain.model.errors import Code, EgressError, Violation
from egress_server.domain.model.findings import Finding

DOMAIN = "egress.mesh"
MAX_LISTED = 10
MAX_TEXT = 300
"""Bytes of one text in a Status."""
MAX_STATUS = 4096
"""Bytes of a Status. In trailers it grows by a third, and the message is repeated there with up to 3 bytes for 1."""
_OVERHEAD = 64  # bytes that a detail needs in addition to its own
M = TypeVar("M", bound=Message)


class StatusError(Exception):
    """The error of a call, as it is sent."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


def status_error(error: EgressError) -> StatusError:
    """A domain error as a StatusError."""
    metadata = {key: _truncate(value) for key, value in error.metadata.items()}
    for what, listed in (("violation_count", error.violations), ("finding_count", error.findings)):
        if listed:
            metadata[what] = str(len(listed))
    status = _make_status(error.code, error.message, error.reason, metadata)
    if error.retry_after is not None:
        _add(status, error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    if error.violations:
        brief = [_violation(violation) for violation in error.violations[:MAX_LISTED]]
        _add(status, error_details_pb2.BadRequest(field_violations=_fitting(status, brief)))
    for finding in _fitting(status, [_truncated(finding) for finding in error.findings[:MAX_LISTED]]):
        _add(status, finding)
    return StatusError(status)


def internal_error(trace_id: str) -> StatusError:
    """The error for bugs of the server: the caller only gets the trace ID, with which to find the cause in the logs."""
    message = "internal error; search the server's logs for the trace ID"
    return StatusError(_make_status(Code.INTERNAL, message, "INTERNAL", {"trace_id": trace_id}))


def _make_status(code: Code, message: str, reason: str, metadata: dict[str, str]) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value, message=_truncate(message))
    _add(status, error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata))
    return status


def _add(status: status_pb2.Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _fitting(status: status_pb2.Status, details: Sequence[M]) -> Iterator[M]:
    """The first of `details`, as many as fit."""
    space = MAX_STATUS - status.ByteSize()
    for detail in details:
        space -= detail.ByteSize() + _OVERHEAD
        if space < 0:
            return
        yield detail


def _violation(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=_truncate(violation.field), description=_truncate(violation.description)
    )


def _truncated(finding: Finding) -> common_pb2.Finding:
    message = write_finding(finding)
    message.cause, message.fix = _truncate(message.cause), _truncate(message.fix)
    return message


def _truncate(text: str) -> str:
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= MAX_TEXT else data[: MAX_TEXT - 3].decode(errors="ignore") + "..."


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
