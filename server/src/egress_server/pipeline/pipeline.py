"""The one path of a call, whatever the wire.

Identity, decode, authorize, command, encode; around them one span and two metrics, and every error turned into a
Status exactly once. The doors (api, gateway) hand over bytes or a message and get a message or a Refusal.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from google.protobuf.message import DecodeError, Message
from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from egress_server.commands.services import Caller, Services
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, InvalidArgument
from egress_server.pipeline.status import StatusError, internal_error, refusal_of
from egress_server.pipeline.write_batcher import WriteBatcher
from egress_server.ports.identity import Authenticator, Authorizer
from egress_server.telemetry import metrics

__all__ = ["MAX_REQUEST_BYTES", "Method", "Pipeline", "RpcCall", "StatusError", "StreamMethod"]

MAX_REQUEST_BYTES = 1024 * 1024
_propagator = TraceContextTextMapPropagator()
_log = structlog.get_logger(__name__)


class Command(Protocol):
    """A decoded and checked request: whatever else it has, it is about a mesh."""

    @property
    def mesh(self) -> str:
        """The mesh's id; what may be done is decided by it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: how it is read, what it needs permission for, what does it, how the answer is written.

    `mutates` says that it commits, and so goes in by groups (see gate.py).
    """

    path: str
    request_type: type[Message]
    response_type: type[Message]
    permission: str
    decode: Callable[[Any], Command]
    run: Callable[[Services, Caller, Any], Awaitable[Any]]
    encode: Callable[[Any], Message]
    mutates: bool = False


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """One RPC that answers with a stream; `run` is an async generator of what is to be written."""

    path: str
    request_type: type[Message]
    response_type: type[Message]
    permission: str
    decode: Callable[[Any], Command]
    run: Callable[[Services, Caller, Any], AsyncGenerator[Any, None]]
    encode: Callable[[Any], Message]


@dataclass(frozen=True, slots=True)
class RpcCall:
    """What a door knows of a call. `metadata` has lower-case keys; `deadline` is time.monotonic() seconds."""

    transport: str
    peer: str
    metadata: Mapping[str, str]
    deadline: float | None = None


class Pipeline:
    """Takes every call through the same steps."""

    def __init__(self, services: Services, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._services = services
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._tracer = trace.get_tracer("egress_server")
        self._gate = WriteBatcher()

    async def unary(self, method: Method, request: bytes | Message, call: RpcCall) -> Message:
        """The answer; raises Refusal, and nothing else but cancellation."""
        begin = time.perf_counter()
        code = "CANCELLED"
        span = self._span(method.path, call)
        # By hand, as the library's context managers cost more than the span itself.
        token = context.attach(trace.set_span_in_context(span))
        try:
            answer = await self._within_deadline(method, request, call, span)
            code = "OK"
            return answer
        except Exception as error:
            code, refusal = _refused(error, method.path, span)
            raise refusal from error
        finally:
            context.detach(token)
            span.end()
            metrics.requests(method.path, call.transport, code).inc()
            metrics.request_seconds(method.path).observe(time.perf_counter() - begin)

    async def stream(
        self, method: StreamMethod, request: bytes | Message, call: RpcCall
    ) -> AsyncGenerator[Message, None]:
        """The answers as they come; raises as `unary` does. Its span ends with the first of them."""
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
            code, refusal = _refused(error, method.path, span)
            raise refusal from error
        finally:
            if span.is_recording():
                span.end()
            metrics.requests(method.path, call.transport, code).inc()

    async def admit(self, permission: str, mesh: str, call: RpcCall) -> None:
        """Lets a stream begin; raises Refusal."""
        try:
            principal = await self._authenticator.authenticate(call.metadata, call.peer)
            await self._authorizer.authorize(principal, permission, mesh)
        except EgressError as error:
            raise refusal_of(error) from error

    def _span(self, path: str, call: RpcCall) -> trace.Span:
        parent = _propagator.extract(call.metadata) if "traceparent" in call.metadata else None
        return self._tracer.start_span(path[1:], parent, trace.SpanKind.SERVER)

    async def _within_deadline(
        self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span
    ) -> Message:
        if call.deadline is None:
            return await self._in_turn(method, request, call, span)
        timeout = asyncio.timeout(call.deadline - time.monotonic())
        try:
            async with timeout:
                return await self._in_turn(method, request, call, span)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlineExceeded("the call's deadline has passed") from None

    async def _in_turn(self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span) -> Message:
        if not method.mutates:
            return await self._run(method, request, call, span)
        async with self._gate:
            return await self._run(method, request, call, span)

    async def _run(self, method: Method, request: bytes | Message, call: RpcCall, span: trace.Span) -> Message:
        caller, command = await self._admitted(method, request, call, span)
        return method.encode(await method.run(self._services, caller, command))

    async def _admitted(
        self, method: Method | StreamMethod, request: bytes | Message, call: RpcCall, span: trace.Span
    ) -> tuple[Caller, Command]:
        """Who calls, and what is asked, once it is known that they may."""
        principal = await self._authenticator.authenticate(call.metadata, call.peer)
        command = method.decode(_parse(method, request))
        await self._authorizer.authorize(principal, method.permission, command.mesh)
        return Caller(principal, method.path, _trace_id(span), call.deadline, _traceparent(span)), command


def _refused(error: Exception, path: str, span: trace.Span) -> tuple[str, StatusError]:
    """What a failed call is counted as, and what its caller sees."""
    if isinstance(error, EgressError):
        if span.is_recording():
            span.set_attribute("egress.reason", error.reason)
            span.set_status(trace.StatusCode.ERROR, error.message)
        return error.code.name, refusal_of(error)
    span.set_status(trace.StatusCode.ERROR)
    _log.error("call failed", method=path, trace_id=_trace_id(span), exc_info=error)
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
            f"the request has more than {MAX_REQUEST_BYTES} bytes",
            reason="REQUEST_TOO_LARGE",
            metadata={"limit_bytes": str(MAX_REQUEST_BYTES)},
        )
    try:
        return method.request_type.FromString(request)
    except DecodeError:
        raise InvalidArgument(
            f"the request is no {method.request_type.DESCRIPTOR.full_name}", reason="MALFORMED_REQUEST"
        ) from None
