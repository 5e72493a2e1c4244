"""The one path of a call, whatever the wire.

Identity, decode, authorize, command, encode; around them one span and two metrics, and every error turned into a
Status exactly once. The doors (api, gateway) hand over bytes or a message and get a message or a Refusal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from google.protobuf.message import DecodeError, Message
from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from egress_server.commands.services import Caller, Services
from egress_server.domain.errors import DeadlineExceeded, EgressError, InvalidArgument
from egress_server.pipeline.gate import Gate
from egress_server.pipeline.status import Refusal, internal_error, refusal_of
from egress_server.ports.identity import Authenticator, Authorizer
from egress_server.telemetry import metrics

__all__ = ["MAX_REQUEST_BYTES", "Call", "Method", "Pipeline", "Refusal"]

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
class Call:
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
        self._gate = Gate()
        self._tracer = trace.get_tracer("egress_server")

    async def unary(self, method: Method, request: bytes | Message, call: Call) -> Message:
        """The answer; raises Refusal, and nothing else but cancellation."""
        begin = time.perf_counter()
        code = "CANCELLED"
        parent = _propagator.extract(call.metadata) if "traceparent" in call.metadata else None
        # By hand, as the library's context managers cost more than the span itself.
        span = self._tracer.start_span(method.path[1:], parent, trace.SpanKind.SERVER)
        token = context.attach(trace.set_span_in_context(span))
        trace_id = f"{span.get_span_context().trace_id:032x}"
        try:
            answer = await self._within_deadline(method, request, call, trace_id)
            code = "OK"
            return answer
        except EgressError as error:
            code = error.code.name
            span.set_attribute("egress.reason", error.reason)
            span.set_status(trace.StatusCode.ERROR, error.message)
            raise refusal_of(error) from error
        except Exception as error:
            code = "INTERNAL"
            span.set_status(trace.StatusCode.ERROR)
            _log.exception("call failed", method=method.path, trace_id=trace_id)
            raise internal_error(trace_id) from error
        finally:
            context.detach(token)
            span.end()
            metrics.calls(method.path, call.transport, code).inc()
            metrics.call_seconds(method.path).observe(time.perf_counter() - begin)

    async def admit(self, permission: str, mesh: str, call: Call) -> None:
        """Lets a stream begin; raises Refusal."""
        try:
            principal = await self._authenticator.authenticate(call.metadata, call.peer)
            await self._authorizer.authorize(principal, permission, mesh)
        except EgressError as error:
            raise refusal_of(error) from error

    async def _within_deadline(self, method: Method, request: bytes | Message, call: Call, trace_id: str) -> Message:
        if call.deadline is None:
            return await self._in_turn(method, request, call, trace_id)
        timeout = asyncio.timeout(call.deadline - time.monotonic())
        try:
            async with timeout:
                return await self._in_turn(method, request, call, trace_id)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlineExceeded("the call's deadline has passed") from None

    async def _in_turn(self, method: Method, request: bytes | Message, call: Call, trace_id: str) -> Message:
        if not method.mutates:
            return await self._run(method, request, call, trace_id)
        async with self._gate:
            return await self._run(method, request, call, trace_id)

    async def _run(self, method: Method, request: bytes | Message, call: Call, trace_id: str) -> Message:
        principal = await self._authenticator.authenticate(call.metadata, call.peer)
        command = method.decode(_parse(method, request))
        await self._authorizer.authorize(principal, method.permission, command.mesh)
        result = await method.run(self._services, Caller(principal, method.path, trace_id), command)
        return method.encode(result)


def _parse(method: Method, request: bytes | Message) -> Message:
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
