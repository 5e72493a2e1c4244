"""Response messages as JSON over ASGI, with the resource's etag as the ETag header."""

from collections.abc import Sequence

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.types import Send

from egress_server.gateway.transcoder.shapes import object_type

Headers = Sequence[tuple[bytes, bytes]]


class ReplyWriter:
    """Writes the responses of one method."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._path_to_etag = etag_path(descriptor)

    def headers(self, reply: Message) -> list[tuple[bytes, bytes]]:
        """The ETag of the resource that the response is or carries, where it has one."""
        if self._path_to_etag is None:
            return []
        holder = reply
        for step in self._path_to_etag:
            holder = getattr(holder, step)
        etag = str(getattr(holder, "etag", ""))
        return [(b"etag", f'"{etag}"'.encode())] if etag else []


def json_body(message: Message) -> bytes:
    """The message as proto3 JSON."""
    return orjson.dumps(MessageToDict(message))


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Sends a whole JSON response."""
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
    """Where a response keeps its resource's etag: itself, or its first field with one."""
    if "etag" in descriptor.fields_by_name:
        return ()
    for field in descriptor.fields:
        kind = object_type(field)
        if kind is not None and not field.is_repeated and "etag" in kind.fields_by_name:
            return (field.name,)
    return None
