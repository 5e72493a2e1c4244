"""Writes HTTP responses: messages as JSON with their etag, and a google.rpc.Status with the HTTP status of its code."""

import math
from collections.abc import Mapping, Sequence

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from starlette.types import Send

from egress_server.gateway.requests import IF_MATCH, IF_NONE_MATCH
from egress_server.gateway.transcoder.shapes import object_type

Headers = Sequence[tuple[bytes, bytes]]

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

# Errors for which HTTP has a more specific status than that of the code.
_HTTP_OF_REASON: Mapping[str, int] = {
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}
# Errors caused by a precondition header of the request, which have status 412.
_HTTP_OF_PRECONDITION: Mapping[tuple[str, int], str] = {
    ("ETAG_MISMATCH", code_pb2.ABORTED): IF_MATCH.lower(),
    ("ALREADY_EXISTS", code_pb2.ALREADY_EXISTS): IF_NONE_MATCH.lower(),
}


def http_status(status: status_pb2.Status, headers: Mapping[str, str]) -> int:
    """The HTTP status of an error; `headers` are those of the request, with lower-case names."""
    reason = reason_of(status)
    if _HTTP_OF_PRECONDITION.get((reason, status.code), "-") in headers:
        return 412
    return _HTTP_OF_REASON.get(reason) or HTTP_OF_CODE.get(status.code, 500)


def reason_of(status: status_pb2.Status) -> str:
    """The reason in the status's ErrorInfo; empty if it has none."""
    info = error_details_pb2.ErrorInfo()
    found = any(detail.Unpack(info) for detail in status.details)
    return str(info.reason) if found else ""


def retry_after(status: status_pb2.Status) -> int | None:
    """The status's RetryInfo in whole seconds, rounded up because Retry-After has no fractions; None if it has none."""
    info = error_details_pb2.RetryInfo()
    if not any(detail.Unpack(info) for detail in status.details):
        return None
    seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return math.ceil(seconds)


async def send_error(send: Send, status: status_pb2.Status, headers: Mapping[str, str], extra: Headers = ()) -> None:
    """Sends a Status; `headers` are those of the request, `extra` are added to the response."""
    seconds = retry_after(status)
    retry = [] if seconds is None else [(b"retry-after", str(seconds).encode())]
    await send_json(send, http_status(status, headers), json_body(status), [*retry, *extra])


class ResponseHeaders:
    """Makes the headers for the responses of one RPC."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._path_to_etag = etag_path(descriptor)

    def of(self, response: Message) -> list[tuple[bytes, bytes]]:
        """The ETag of the resource that the response is or contains, if it has one."""
        if self._path_to_etag is None:
            return []
        holder = response
        for step in self._path_to_etag:
            holder = getattr(holder, step)
        etag = str(getattr(holder, "etag", ""))
        return [(b"etag", f'"{etag}"'.encode())] if etag else []


def json_body(message: Message) -> bytes:
    """The message as proto3 JSON."""
    return orjson.dumps(MessageToDict(message))


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Sends a complete JSON response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def etag_path(descriptor: Descriptor) -> tuple[str, ...] | None:
    """The path to the resource with the etag in a response: empty for the response itself, None if there is none."""
    if "etag" in descriptor.fields_by_name:
        return ()
    for field in descriptor.fields:
        kind = object_type(field)
        if kind is not None and not field.is_repeated and "etag" in kind.fields_by_name:
            return (field.name,)
    return None
