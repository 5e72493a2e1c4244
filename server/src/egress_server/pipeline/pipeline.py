"""The path of a call: authenticate, decode, authorize, command, encode.

A call has one span and two metrics, and each error becomes a Status exactly once. The transports (api, gateway) pass
bytes or a message, and get a message or a StatusError.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from google.protobuf.message import DecodeError, Message
from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from egress_server.aio.large_messages import LARGE_BYTES, off_loop
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, InvalidArgument
from egress_server.domain.model.limits import MAX_REQUEST_BYTES
from egress_server.pipeline.method import Command, Method, RpcCall, StreamMethod
from egress_server.pipeline.status import StatusError, internal_error, status_error
from egress_server.pipeline.text_fields import check_text_fields
from egress_server.pipeline.write_batcher import WriteBatcher
from egress_server.ports.identity import Authenticator, Authorizer
from egress_server.telemetry import metrics

_propagator = TraceContextTextMapPropagator()
_log = structlog.get_logger(__name__)


class Pipeline:
    """Takes every call through the same steps."""

    def __init__(self, services: Services, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._services = services
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._tracer = trace.get_tracer("egress_server")
        self._batcher = WriteBatcher()

    async def unary(self, method: Method, request: bytes | Message, call: RpcCall) -> Message:
        """The response. Raises StatusError, and nothing else except cancellation."""
        begin = time.perf_counter()
        code = "CANCELLED"
        span = self._span(method.path, call)
        # Attached by hand, because the library's context managers cost more than the span itself.
        token = context.attach(trace.set_span_in_context(span))
        try:
            response = await self._within_deadline(method, request, call, span)
            code = "OK"
            return response
        except Exception as error:
            code, failure = _failed(error, method.path, span)
            raise failure from error
        finally:
            context.detach(token)
            span.end()
            metrics.requests(method.path, call.transport, code).inc()
            metrics.request_seconds(method.path).observe(time.perf_counter() - begin)

    async def stream(
        self, method: StreamMethod, request: bytes | Message, call: RpcCall
    ) -> AsyncGenerator[Message, None]:
        """The responses as they arrive. Raises like `unary`. The span ends with the first response."""
        code = "CANCELLED"
        span = self._span(method.path, call)
        try:
            with metrics.STREAMS.labels(method.path).track_inprogress():
                caller, command = await self._admitted(method, request, call, span)
                async with aclosing(method.run(self._services, caller, command)) as results:
                    async for result in results:
                        if span.is_recording():
                            span.end()
                        yield method.encode(result)
            code = "OK"
        except Exception as error:
            code, failure = _failed(error, method.path, span)
            raise failure from error
        finally:
            if span.is_recording():
                span.end()
            metrics.requests(method.path, call.transport, code).inc()

    async def admit(self, permission: str, mesh: str, call: RpcCall) -> None:
        """Authenticates and authorizes a stream. Raises StatusError."""
        try:
            principal = await self._authenticator.authenticate(call.metadata, call.peer)
            await self._authorizer.authorize(principal, permission, mesh)
        except EgressError as error:
            raise status_error(error) from error

    def _span(self, path: str, call: RpcCall) -> trace.Span:
        parent = _propagator.extract(call.metadata) if "traceparent" in call.metadata else None
        return self._tracer.start_span(path[1:], parent, trace.SpanKind.SERVER)

    async def _within_deadline(
        self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span
    ) -> Message:
        if call.deadline is None:
            return await self._batched(method, request, call, span)
        timeout = asyncio.timeout(call.deadline - time.monotonic())
        try:
            async with timeout:
                return await self._batched(method, request, call, span)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlineExceeded("the deadline of the call has expired") from None

    async def _batched(self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span) -> Message:
        if not method.batched:
            return await self._run(method, request, call, span)
        async with self._batcher:
            return await self._run(method, request, call, span)

    async def _run(self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span) -> Message:
        caller, command = await self._admitted(method, request, call, span)
        result = await method.run(self._services, caller, command)
        return await off_loop(LARGE_BYTES if method.pages else 0, lambda: method.encode(result))

    async def _admitted(
        self, method: Method | StreamMethod, request: bytes | Message, call: RpcCall, span: trace.Span
    ) -> tuple[Caller, Command]:
        """The authenticated and authorized caller, and the decoded request."""
        principal = await self._authenticator.authenticate(call.metadata, call.peer)
        size = request.ByteSize() if isinstance(request, Message) else len(request)
        command = await off_loop(size, lambda: _decode(method, request))
        await self._authorizer.authorize(principal, method.permission, command.mesh)
        return Caller(principal, method.path, _trace_id(span), call.deadline, _traceparent(span)), command


def _decode(method: Method | StreamMethod, request: bytes | Message) -> Command:
    message = _parse(method, request)
    check_text_fields(message)
    return method.decode(message)


def _failed(error: Exception, path: str, span: trace.Span) -> tuple[str, StatusError]:
    """The code that a failed call is counted under, and the error for the caller."""
    if isinstance(error, EgressError):
        if span.is_recording():
            span.set_attribute("egress.reason", error.reason)
            span.set_status(trace.StatusCode.ERROR, error.message)
        return error.code.name, status_error(error)
    span.set_status(trace.StatusCode.ERROR)
    _log.error("call_failed", method=path, trace_id=_trace_id(span), exc_info=error)
    return "INTERNAL", internal_error(_trace_id(span))


def _traceparent(span: trace.Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01" if context.trace_flags.sampled else ""


def _trace_id(span: trace.Span) -> str:
    return f"{span.get_span_context().trace_id:032x}"


def _parse(method: Method | StreamMethod, request: bytes | Message) -> Message:
    if isinstance(request, Message):
        return request
    if len(request) > MAX_REQUEST_BYTES:
        raise InvalidArgument(
            f"request is larger than {MAX_REQUEST_BYTES} bytes",
            reason="REQUEST_TOO_LARGE",
            metadata={"limit_bytes": str(MAX_REQUEST_BYTES)},
        )
    try:
        return method.request_type.FromString(request)
    except DecodeError:
        raise InvalidArgument(
            f"request body is not a valid {method.request_type.DESCRIPTOR.full_name}", reason="MALFORMED_REQUEST"
        ) from None
