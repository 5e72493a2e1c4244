"""Statuses as the server sends them."""

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from egress.v1.common_pb2 import Finding

UNAVAILABLE = Status(code=14, message="away")


def status(code: int, reason: str, message: str, *details: Message) -> Status:
    """A status with an ErrorInfo and further details."""
    result = Status(code=code, message=message)
    for detail in (ErrorInfo(reason=reason, domain="egress.mesh", metadata={"word": "x"}), *details):
        packed = Any()
        packed.Pack(detail)
        result.details.append(packed)
    return result


BAD_PORT = status(
    3,
    "INVALID_FIELD",
    "1 field is wrong",
    BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field="service_entry.ports[0].number", description="must be 1 to 65535")
        ]
    ),
)
REFUSED_FINDING = status(
    9,
    "BLOCKED_BY_FINDINGS",
    "1 finding blocks it",
    Finding(code="EGR0101", severity=Finding.ERROR, cause="two protocols on one port", fix="use one"),
)
BUSY = status(8, "RATE_LIMITED", "too many", RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)))
ETAG_MISMATCH = status(10, "ETAG_MISMATCH", "it has changed")
NOT_FOUND = status(5, "NOT_FOUND", "no such policy")
