"""The gRPC server: generic handlers over raw bytes for all methods of the table, the agent stream, health and
reflection."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from egress_server.agents.grpc_options import SERVER_OPTIONS
from egress_server.aio.waiting import scoped
from egress_server.pipeline.method import Method, RpcCall, StreamMethod
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError

# Above the pipeline's limit, so that a request that is slightly too large gets the API's error, not the library's.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    *SERVER_OPTIONS,
)
FLUSH_SECONDS = 1.0
"""Time for sending the last responses and the ends of streams when the server stops."""
_Context = grpc.aio.ServicerContext[bytes, bytes]
Unary = Callable[[bytes, _Context], Awaitable[bytes]]
Stream = Callable[[bytes, _Context], AsyncIterator[bytes]]


class Server:
    """A gRPC server that is ready to listen."""

    def __init__(
        self,
        pipeline: Pipeline,
        methods: Mapping[str, Method],
        streams: Mapping[str, StreamMethod],
        agents: grpc.GenericRpcHandler,
        version: str,
        *,
        end_streams: Callable[[], None],
    ) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._calls = _Calls()
        self._end_streams = end_streams
        handlers = _Handlers(pipeline, methods, streams, version, self._calls)
        self._server.add_generic_rpc_handlers((handlers, agents))
        self._services = sorted({path.split("/")[1] for path in (*methods, *streams)})
        names = (*self._services, "egress.v1.AgentService", health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, descriptor_pool.Default())

    def listen(self, address: str) -> str:
        """Binds `address` (HOST:PORT or unix:PATH) and returns it with the actual port.

        Raises OSError if that is not possible.
        """
        is_unix = address.startswith("unix:")
        if is_unix and is_served(address.removeprefix("unix:")):
            raise OSError(f"cannot listen on {address} for gRPC: another process is listening there")
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address} for gRPC: is it in use?") from error
        return address if is_unix else f"{address.rpartition(':')[0]}:{port}"

    async def start(self) -> None:
        """Starts serving, and sets the health service to SERVING."""
        await self._server.start()
        for service in ("", *self._services):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Sets the health service to NOT_SERVING, rejects new calls, and waits `grace` seconds for those in progress.

        Agent streams do not end on their own. They are ended when there are no more calls that may need them; what is
        still open then, such as a watch of the health service, is cancelled.
        """
        await self._health.enter_graceful_shutdown()
        async with scoped(self._server.stop(grace)) as (stopping,):
            async with scoped(self._calls.wait_none()) as (idle,):
                await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
            self._end_streams()
            await asyncio.wait((stopping,), timeout=FLUSH_SECONDS)
            await self._server.stop(None)
            await stopping


def is_served(path: str) -> bool:
    """Whether a process accepts connections on a unix socket; gRPC would silently take the path over."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class _Calls:
    """Counts the calls in progress."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def wait_none(self) -> None:
        """Returns as soon as there are none."""
        await self._none.wait()


class _Handlers(grpc.GenericRpcHandler):
    """Finds the handler of a path in the method table."""

    def __init__(
        self,
        pipeline: Pipeline,
        methods: Mapping[str, Method],
        streams: Mapping[str, StreamMethod],
        version: str,
        calls: _Calls,
    ) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        for path, method in methods.items():
            self._handlers[path] = grpc.unary_unary_rpc_method_handler(_unary(pipeline, method, version, calls))
        for path, stream in streams.items():
            self._handlers[path] = grpc.unary_stream_rpc_method_handler(_stream(pipeline, stream, version))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The handler of the called method, or None."""
        return self._handlers.get(handler_call_details.method)


def _unary(pipeline: Pipeline, method: Method, version: str, calls: _Calls) -> Unary:
    async def call(request: bytes, context: _Context) -> bytes:
        if not method.mutates:  # a change has its own time, and each header adds to the cost of a write
            context.set_trailing_metadata(_trailers(version))
        try:
            with calls:
                response = await pipeline.unary(method, request, _call(context))
        except StatusError as error:
            await context.abort_with_status(rpc_status.to_status(error.status))
        return response.SerializeToString()

    return call


def _stream(pipeline: Pipeline, method: StreamMethod, version: str) -> Stream:
    async def call(request: bytes, context: _Context) -> AsyncIterator[bytes]:
        context.set_trailing_metadata(_trailers(version))
        try:
            async with aclosing(pipeline.stream(method, request, _call(context))) as responses:
                async for response in responses:
                    yield response.SerializeToString()
        except StatusError as error:
            await context.abort_with_status(rpc_status.to_status(error.status))

    return call


def _call(context: _Context) -> RpcCall:
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return RpcCall("grpc", context.peer(), metadata)


def _trailers(version: str) -> tuple[tuple[str, str], ...]:
    return (("egress-version", version), ("egress-time", str(int(time.time() * 1000))))
