"""Domain errors to google.rpc.Status, once and for every door.

gRPC carries the Status in trailers, which break above about 8 KB: of violations and findings it has as many as fit, ten
at most, with the whole count in the ErrorInfo's metadata.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from egress.v1 import common_pb2
from egress_server.contract.common import encode_finding
from egress_server.domain.model.errors import Code, EgressError, Violation
from egress_server.domain.model.findings import Finding

DOMAIN = "egress.mesh"
MAX_LISTED = 10
MAX_TEXT = 300
"""Bytes of one text of a Status."""
MAX_STATUS = 4096
"""Bytes of a Status. In the trailers it grows by a third, and the message, with 3 bytes for 1, stands there again."""
_AROUND = 64  # bytes that a detail needs besides its own
M = TypeVar("M", bound=Message)


class StatusError(Exception):
    """A call's refusal as it goes over the wire."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


def refusal_of(error: EgressError) -> StatusError:
    """The Status of a domain error."""
    metadata = {key: _cut(value) for key, value in error.metadata.items()}
    for what, listed in (("violation_count", error.violations), ("finding_count", error.findings)):
        if listed:
            metadata[what] = str(len(listed))
    status = _status(error.code, error.message, error.reason, metadata)
    if error.retry_after is not None:
        _add(status, error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    if error.violations:
        brief = [_violation(violation) for violation in error.violations[:MAX_LISTED]]
        _add(status, error_details_pb2.BadRequest(field_violations=_fitting(status, brief)))
    for finding in _fitting(status, [_brief(finding) for finding in error.findings[:MAX_LISTED]]):
        _add(status, finding)
    return StatusError(status)


def internal_error(trace_id: str) -> StatusError:
    """What a caller sees of our own mistakes: nothing but where to find them in the logs."""
    message = "internal error; the server's log has the trace id"
    return StatusError(_status(Code.INTERNAL, message, "INTERNAL", {"trace_id": trace_id}))


def _status(code: Code, message: str, reason: str, metadata: dict[str, str]) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value, message=_cut(message))
    _add(status, error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata))
    return status


def _add(status: status_pb2.Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _fitting(status: status_pb2.Status, details: Sequence[M]) -> Iterator[M]:
    """The first of `details`, as far as there is room for them."""
    room = MAX_STATUS - status.ByteSize()
    for detail in details:
        room -= detail.ByteSize() + _AROUND
        if room < 0:
            return
        yield detail


def _violation(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=_cut(violation.field), description=_cut(violation.description)
    )


def _brief(finding: Finding) -> common_pb2.Finding:
    message = encode_finding(finding)
    message.cause, message.fix = _cut(message.cause), _cut(message.fix)
    return message


def _cut(text: str) -> str:
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= MAX_TEXT else data[: MAX_TEXT - 3].decode(errors="ignore") + "..."


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
