"""A google.rpc.Status as an HTTP answer: the code by the table of google/rpc/code.proto, the body as proto3 JSON."""

import math
from collections.abc import Mapping

from google.rpc import code_pb2, error_details_pb2, status_pb2
from starlette.types import Send

from egress_server.gateway.replies import Headers, json_body, send_json
from egress_server.gateway.transcoder.headers import IF_MATCH, IF_NONE_MATCH

HTTP_OF_CODE: Mapping[int, int] = {
    code_pb2.CANCELLED: 499,
    code_pb2.UNKNOWN: 500,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.INTERNAL: 500,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DATA_LOSS: 500,
    code_pb2.UNAUTHENTICATED: 401,
}

# Refusals for which HTTP has a status of its own, finer than the code's.
_HTTP_OF_REASON: Mapping[str, int] = {
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}
# Refusals that a precondition header of the request asked for.
_HTTP_OF_PRECONDITION: Mapping[tuple[str, int], str] = {
    ("ETAG_MISMATCH", code_pb2.ABORTED): IF_MATCH,
    ("ALREADY_EXISTS", code_pb2.ALREADY_EXISTS): IF_NONE_MATCH,
}


def http_status(status: status_pb2.Status, headers: Mapping[str, str]) -> int:
    """The HTTP status of a refusal, given the request's headers (lower-case names)."""
    reason = reason_of(status)
    if _HTTP_OF_PRECONDITION.get((reason, status.code), "-") in headers:
        return 412
    return _HTTP_OF_REASON.get(reason) or HTTP_OF_CODE.get(status.code, 500)


def reason_of(status: status_pb2.Status) -> str:
    """The reason in the status's ErrorInfo; empty where it has none."""
    info = error_details_pb2.ErrorInfo()
    found = any(detail.Unpack(info) for detail in status.details)
    return str(info.reason) if found else ""


def retry_after(status: status_pb2.Status) -> int | None:
    """Whole seconds of the status's RetryInfo, rounded up as Retry-After knows no fractions; None without one."""
    info = error_details_pb2.RetryInfo()
    if not any(detail.Unpack(info) for detail in status.details):
        return None
    seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return math.ceil(seconds)


async def send_refusal(send: Send, status: status_pb2.Status, headers: Mapping[str, str], extra: Headers = ()) -> None:
    """Answers with a Status; `headers` are the request's, `extra` are added to the response's."""
    seconds = retry_after(status)
    retry = [] if seconds is None else [(b"retry-after", str(seconds).encode())]
    await send_json(send, http_status(status, headers), json_body(status), [*retry, *extra])
