"""Reads a request's body with the limit held while it streams in, whether its length was announced or not."""

from collections.abc import Mapping

from starlette.types import Receive

from egress_server.domain.errors import InvalidArgument
from egress_server.pipeline import MAX_REQUEST_BYTES


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises InvalidArgument (REQUEST_TOO_LARGE) over 1 MiB, and ClientGone."""
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced[:20]) > MAX_REQUEST_BYTES:
        raise _too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    parts = [body]
    size = len(body)
    while message["type"] == "http.request" and message.get("more_body", False) and size <= MAX_REQUEST_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise ClientGone
    if size > MAX_REQUEST_BYTES:
        raise _too_large()
    return b"".join(parts)


def _too_large() -> InvalidArgument:
    return InvalidArgument(
        f"the request has more than {MAX_REQUEST_BYTES} bytes",
        reason="REQUEST_TOO_LARGE",
        metadata={"limit_bytes": str(MAX_REQUEST_BYTES)},
    )
