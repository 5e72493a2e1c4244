"""Serves streams as server-sent events (WHATWG HTML, 9.2), which browsers resume on their own.

The ID of an event is its cursor. An event with only a cursor becomes a comment with an ID: it keeps the connection
alive and moves the position to resume from, without calling a listener.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from egress_server.aio.large_messages import off_loop
from egress_server.domain.model.errors import EgressError
from egress_server.gateway.endpoint import unless_gone
from egress_server.gateway.requests import ClientGone, HttpRequests, headers_of, peer_of, read_body
from egress_server.gateway.responses import json_body, send_error
from egress_server.gateway.transcoder.routes import Binding
from egress_server.gateway.transcoder.shapes import Shape
from egress_server.gateway.transcoder.template import Capture
from egress_server.pipeline.method import RpcCall, StreamMethod
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError, status_error
from egress_server.telemetry import metrics

LAST_EVENT_ID = "last-event-id"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would buffer events
]

_log = structlog.get_logger(__name__)


class EventsEndpoint:
    """Serves a binding of a stream whose request and responses have a `cursor`."""

    def __init__(self, pipeline: Pipeline, method: StreamMethod, binding: Binding, shape: Shape) -> None:
        self._pipeline = pipeline
        self._method = method
        self._requests = HttpRequests(method.request_type, shape, binding.body)

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Sends events until the stream ends or the client disconnects. An error before the first event is sent like
        that of a unary call."""
        headers = headers_of(scope)
        try:
            body = await read_body(headers, receive)
            request = await off_loop(len(body), lambda: self._read(captures, scope, headers, body))
            events = self._pipeline.stream(self._method, request, RpcCall("rest", peer_of(scope), headers))
            async with aclosing(events):
                await unless_gone(_send_all(events, send), receive)
        except EgressError as error:
            metrics.requests(self._method.path, "rest", error.code.name).inc()
            await send_error(send, status_error(error).status, headers)
        except StatusError as error:
            await send_error(send, error.status, headers)
        except ClientGone:
            _log.debug("client_disconnected", method=self._method.path)

    def _read(self, captures: tuple[Capture, ...], scope: Scope, headers: Mapping[str, str], body: bytes) -> Message:
        """The request. A browser that reconnects uses the original URL, so its Last-Event-ID is newer than a cursor in
        it."""
        request: Any = self._requests.read(captures, scope, headers, body)
        if last := headers.get(LAST_EVENT_ID):
            request.cursor = last
        return request  # type: ignore[no-any-return]


async def _send_all(events: AsyncGenerator[Message, None], send: Send) -> None:
    """Raises StatusError as long as nothing was sent. After that, an error is sent as the last event, of type
    `error`."""
    first = await anext(events)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await _send(send, _event(first))
    try:
        async for event in events:
            await _send(send, _event(event))
    except StatusError as error:
        await _send(send, b"event: error\ndata: " + json_body(error.status) + b"\n\n")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})


def _event(message: Any) -> bytes:
    id_line = f"id: {message.cursor}\n".encode()
    if message.WhichOneof("event") is None:
        return b": keep-alive\n" + id_line + b"\n"
    return id_line + b"data: " + json_body(message) + b"\n\n"
