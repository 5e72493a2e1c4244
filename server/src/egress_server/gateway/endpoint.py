"""Serves unary RPCs over HTTP: read the request, call the pipeline, send the response. This path does not create any
framework objects."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from starlette.types import Receive, Scope, Send

from egress_server.aio.large_messages import off_loop
from egress_server.aio.waiting import Interrupted, unless
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, Unavailable
from egress_server.gateway.requests import ClientGone, HttpRequests, headers_of, peer_of, read_body
from egress_server.gateway.responses import ResponseHeaders, json_body, send_error, send_json
from egress_server.gateway.transcoder.routes import Binding
from egress_server.gateway.transcoder.shapes import Shape
from egress_server.gateway.transcoder.template import Capture
from egress_server.pipeline.method import Method, RpcCall
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError, status_error
from egress_server.telemetry import metrics

TIMEOUT_SLACK_SECONDS = 5.0
"""Time that a call may take in addition to its own `timeout` field."""
WATCH_AFTER_SECONDS = 0.05
"""Time after which a call is watched for a disconnect of its client. Most calls are shorter, and the task for it costs
a tenth of a call."""

T = TypeVar("T")
_STOPPING = Unavailable("the server shut down before the call was complete", reason="SERVER_STOPPING", retry_after=1.0)
_log = structlog.get_logger(__name__)


class HttpEndpoint(Protocol):
    """Serves a binding."""

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""


class UnaryEndpoint:
    """Serves a binding of a unary RPC. `timeout` is the deadline of a call in seconds, unless its request has a longer
    one."""

    def __init__(self, pipeline: Pipeline, method: Method, binding: Binding, shape: Shape, timeout: float) -> None:
        self._pipeline = pipeline
        self._method = method
        self._requests = HttpRequests(method.request_type, shape, binding.body)
        self._response_headers = ResponseHeaders(binding.rpc.output_type)
        self._timeout = timeout
        self._has_timeout = "timeout" in shape.fields

    async def serve(self, captures: tuple[Capture, ...], scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request. If the client disconnects, its call is cancelled."""
        begin = time.monotonic()
        headers = headers_of(scope)
        try:
            body = await self._body(headers, receive)
            reading = off_loop(len(body), lambda: self._requests.read(captures, scope, headers, body))
            request = await unless_gone(reading, receive)
            call = RpcCall("rest", peer_of(scope), headers, begin + self._seconds(request))
            response = await unless_gone(self._pipeline.unary(self._method, request, call), receive)
            printed = await off_loop(response.ByteSize(), lambda: json_body(response))
        except EgressError as error:
            metrics.requests(self._method.path, "rest", error.code.name).inc()
            await send_error(send, status_error(error).status, headers)
        except StatusError as error:
            await send_error(send, error.status, headers)
        except ClientGone:
            _log.debug("client_disconnected", method=self._method.path)
        except asyncio.CancelledError:
            # The server is stopping, and the grace period for calls in progress has ended.
            if (me := asyncio.current_task()) is not None:
                me.uncancel()
            await send_error(send, status_error(_STOPPING).status, headers)
        else:
            await send_json(send, 200, printed, self._response_headers.of(response))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return await read_body(headers, receive)
        except TimeoutError:
            raise DeadlineExceeded("the request body was not received in time") from None

    def _seconds(self, request: Any) -> float:
        """How long the call may take, and at least as long as the request wants to wait."""
        wanted = request.timeout.seconds + TIMEOUT_SLACK_SECONDS if self._has_timeout else 0.0
        return max(self._timeout, wanted)


async def unless_gone(call: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The result of `call`. If the client closes the connection, cancels it and raises ClientGone."""
    try:
        # With the body read, the only thing left to receive is http.disconnect.
        return await unless(receive, WATCH_AFTER_SECONDS, call)
    except Interrupted:
        raise ClientGone from None
