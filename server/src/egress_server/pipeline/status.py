"""Domain errors to google.rpc.Status, once and for every door.

gRPC carries the Status in trailers, which break above about 8 KB: lists of violations and findings are cut at ten, with
the whole count in the ErrorInfo's metadata.
"""

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from egress.v1 import common_pb2
from egress_server.domain.errors import Code, EgressError
from egress_server.domain.findings import Finding

DOMAIN = "egress.mesh"
MAX_LISTED = 10
MAX_TEXT = 400


class Refusal(Exception):
    """A call's refusal as it goes over the wire."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


def refusal_of(error: EgressError) -> Refusal:
    """The Status of a domain error."""
    metadata = {key: _cut(value) for key, value in error.metadata.items()}
    details: list[Message] = []
    if error.violations:
        metadata["violation_count"] = str(len(error.violations))
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=_cut(v.field), description=_cut(v.description))
                    for v in error.violations[:MAX_LISTED]
                ]
            )
        )
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    if error.findings:
        metadata["finding_count"] = str(len(error.findings))
        details += [encode_finding(finding) for finding in error.findings[:MAX_LISTED]]
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    return Refusal(_status(error.code, error.message, [info, *details]))


def internal_error(trace_id: str) -> Refusal:
    """What a caller sees of our own mistakes: nothing but where to find them in the logs."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"trace_id": trace_id})
    return Refusal(_status(Code.INTERNAL, "internal error; the server's log has the trace id", [info]))


def encode_finding(finding: Finding) -> common_pb2.Finding:
    """A lint result as a message."""
    return common_pb2.Finding(
        code=finding.code,
        severity=common_pb2.Finding.Severity.Value(finding.severity.value),
        field=finding.field,
        resource=finding.resource,
        cause=finding.cause,
        fix=finding.fix,
        forceable=finding.forceable,
        related_codes=finding.related_codes,
    )


def _status(code: Code, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        wrapped = any_pb2.Any()
        wrapped.Pack(detail)
        packed.append(wrapped)
    return status_pb2.Status(code=code.value, message=_cut(message), details=packed)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
