"""One HTTP request through the pipeline: read, call, answer. No framework object is made on this path."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from starlette.types import Receive, Scope, Send

from egress_server.aio.waiting import Interrupted, unless
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, Unavailable
from egress_server.gateway.errors import send_refusal
from egress_server.gateway.replies import ReplyWriter, json_body, send_json
from egress_server.gateway.transcoder.binding import RequestReader
from egress_server.gateway.transcoder.body import ClientGone, read_body
from egress_server.gateway.transcoder.routes import Binding
from egress_server.gateway.transcoder.shapes import Shape
from egress_server.gateway.transcoder.template import Capture
from egress_server.pipeline.pipeline import Method, Pipeline, RpcCall, StatusError
from egress_server.pipeline.status import refusal_of
from egress_server.telemetry import metrics

TIMEOUT_SLACK_SECONDS = 5.0
"""How much longer a call may take than the time its own `timeout` field gives it to wait."""
WATCH_AFTER_SECONDS = 0.05
"""When a call begins to be watched for its client leaving. Most are over before, and a task costs a tenth of a call."""

T = TypeVar("T")
_STOPPING = Unavailable("the server stops before the call has ended", reason="SERVER_STOPPING", retry_after=1.0)
_log = structlog.get_logger(__name__)


class HttpEndpoint(Protocol):
    """Serves one binding."""

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""


class UnaryEndpoint:
    """Serves the binding of a unary method. `timeout` is the deadline of a call in seconds where its request asks for
    no longer one."""

    def __init__(self, pipeline: Pipeline, method: Method, binding: Binding, shape: Shape, timeout: float) -> None:
        self._pipeline = pipeline
        self._method = method
        self._reader = RequestReader(method.request_type, shape, binding.body)
        self._writer = ReplyWriter(binding.descriptor.output_type)
        self._timeout = timeout
        self._has_timeout = "timeout" in shape.fields

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; a client that left gets none, and its call is cancelled."""
        begin = time.monotonic()
        headers = headers_of(scope)
        try:
            body = await self._body(headers, receive)
            request = self._reader.read(captures, scope["query_string"], headers, body)
            call = RpcCall("rest", peer_of(scope), headers, begin + self._seconds(request))
            reply = await unless_gone(self._pipeline.unary(self._method, request, call), receive)
        except EgressError as error:
            metrics.requests(self._method.path, "rest", error.code.name).inc()
            await send_refusal(send, refusal_of(error).status, headers)
        except StatusError as refusal:
            await send_refusal(send, refusal.status, headers)
        except ClientGone:
            _log.debug("client gone", method=self._method.path)
        except asyncio.CancelledError:
            # The server stops, and what it gives to calls under way has run out.
            if (me := asyncio.current_task()) is not None:
                me.uncancel()
            await send_refusal(send, refusal_of(_STOPPING).status, headers)
        else:
            await send_json(send, 200, json_body(reply), self._writer.headers(reply))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return await read_body(headers, receive)
        except TimeoutError:
            raise DeadlineExceeded("the request's body did not arrive in time") from None

    def _seconds(self, request: Any) -> float:
        """How long the call may take; never less than what the request itself asks to wait."""
        asked = request.timeout.seconds + TIMEOUT_SLACK_SECONDS if self._has_timeout else 0.0
        return max(self._timeout, asked)


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def peer_of(scope: Scope) -> str:
    """Where the connection comes from; empty for a unix socket."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else ""


async def unless_gone(call: Coroutine[Any, Any, T], receive: Receive) -> T:
    """What the call returns; cancels it and raises ClientGone when the client closes the connection."""
    try:
        # With the body read, the only thing left to receive is http.disconnect.
        return await unless(receive, WATCH_AFTER_SECONDS, call)
    except Interrupted:
        raise ClientGone from None
