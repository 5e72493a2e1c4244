"""A stream of the contract as server-sent events (WHATWG HTML, 9.2), which browsers resume by themselves.

An event's id is its cursor. One with nothing but a cursor becomes a comment with an id: it keeps the connection alive
and moves the place to resume from, and no listener is called.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from egress_server.domain.model.errors import EgressError
from egress_server.gateway.endpoint import headers_of, peer_of, unless_gone
from egress_server.gateway.errors import send_refusal
from egress_server.gateway.replies import json_body
from egress_server.gateway.transcoder.binding import RequestReader
from egress_server.gateway.transcoder.body import ClientGone, read_body
from egress_server.gateway.transcoder.routes import Binding
from egress_server.gateway.transcoder.shapes import Shape
from egress_server.gateway.transcoder.template import Capture
from egress_server.pipeline.pipeline import Pipeline, RpcCall, StatusError, StreamMethod
from egress_server.pipeline.status import refusal_of
from egress_server.telemetry import metrics

LAST_EVENT_ID = "last-event-id"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]

_log = structlog.get_logger(__name__)


class EventsEndpoint:
    """Serves the binding of a stream whose request and responses have a `cursor`."""

    def __init__(self, pipeline: Pipeline, method: StreamMethod, binding: Binding, shape: Shape) -> None:
        self._pipeline = pipeline
        self._method = method
        self._reader = RequestReader(method.request_type, shape, binding.body)

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Sends events until the stream ends or the client leaves; what is refused before the first event is answered
        as everywhere."""
        headers = headers_of(scope)
        try:
            body = await read_body(headers, receive)
            request = self._read(captures, scope, headers, body)
            events = self._pipeline.stream(self._method, request, RpcCall("rest", peer_of(scope), headers))
            async with aclosing(events):
                await unless_gone(_send_all(events, send), receive)
        except EgressError as error:
            metrics.requests(self._method.path, "rest", error.code.name).inc()
            await send_refusal(send, refusal_of(error).status, headers)
        except StatusError as refusal:
            await send_refusal(send, refusal.status, headers)
        except ClientGone:
            _log.debug("client gone", method=self._method.path)

    def _read(self, captures: tuple[Capture, ...], scope: Scope, headers: Mapping[str, str], body: bytes) -> Message:
        """The request. A browser that comes back still has the first URL: its Last-Event-ID is newer than a cursor
        there."""
        request: Any = self._reader.read(captures, scope["query_string"], headers, body)
        if last := headers.get(LAST_EVENT_ID):
            request.cursor = last
        return request  # type: ignore[no-any-return]


async def _send_all(events: AsyncGenerator[Message, None], send: Send) -> None:
    """Raises Refusal as long as nothing was sent; after that a refusal is the last event, of type `error`."""
    first = await anext(events)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await _send(send, _event(first))
    try:
        async for event in events:
            await _send(send, _event(event))
    except StatusError as refusal:
        await _send(send, b"event: error\ndata: " + json_body(refusal.status) + b"\n\n")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})


def _event(message: Any) -> bytes:
    mark = f"id: {message.cursor}\n".encode()
    if message.WhichOneof("event") is None:
        return b": keep-alive\n" + mark + b"\n"
    return mark + b"data: " + json_body(message) + b"\n\n"
