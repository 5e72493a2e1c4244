"""A watch that survives restarts of the server: it remembers the cursor of the last event and continues after it.

A stream that was established and breaks is reopened at the cursor, for as long as that takes, so no event is missed or
repeated. Keep-alives only advance the cursor. The server sends one immediately, so a `with` block starts when the watch
is established: it gets every change made in the block. Errors of the server are raised, above all CursorExpired, which
only the caller can handle, by listing the changes again.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

import grpc
import grpc.aio
from google.protobuf.message import Message

from egress._client.errors import Unavailable, from_rpc_error
from egress.v1.change_service_pb2 import WatchChangesRequest, WatchChangesResponse

__all__ = ["AsyncWatch", "Watch"]

# gRPC itself backs off from an unreachable server; this is for a server that ends each stream immediately.
_PAUSE_SECONDS = 0.5

AsyncStream = grpc.aio.UnaryStreamCall[Message, WatchChangesResponse]


class Stream(Iterator[WatchChangesResponse], Protocol):
    """A blocking stream of gRPC."""

    def cancel(self) -> bool: ...


class _Position:
    """The position of a watch, and whether it may continue."""

    def __init__(self, request: WatchChangesRequest) -> None:
        self._request = WatchChangesRequest()
        self._request.CopyFrom(request)
        self._begun = False
        self._ahead: WatchChangesResponse | None = None  # read, but not yet processed

    @property
    def cursor(self) -> str:
        """Cursor of the last event, empty before the first one. A later watch can continue after it."""
        return self._request.cursor

    def _is_event(self, message: WatchChangesResponse) -> bool:
        self._begun = True
        self._request.cursor = message.cursor or self._request.cursor
        return message.WhichOneof("event") is not None

    def _check(self, failure: grpc.RpcError) -> None:
        """Raises errors that waiting does not fix: refusals, and a server that was never reached."""
        error = from_rpc_error(failure)
        if not (self._begun and isinstance(error, Unavailable)):
            raise error from failure


class Watch(_Position):
    """Iterates over the events of a mesh as they happen. `close` ends it, from any thread."""

    def __init__(self, open_: Callable[[WatchChangesRequest, bool], Stream], request: WatchChangesRequest) -> None:
        super().__init__(request)
        self._open = open_
        self._stream: Stream | None = None
        self._closed = threading.Event()
        self._opening = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchChangesResponse:
        while not self._closed.is_set():
            message, self._ahead = self._ahead or self._read(), None
            if message is None:
                self._stream = None
                self._closed.wait(_PAUSE_SECONDS)
            elif self._is_event(message):
                return message
        raise StopIteration

    def _read(self) -> WatchChangesResponse | None:
        """The next message; None if the stream has ended and may be reopened."""
        with self._opening:  # not after `close` has checked for a stream to cancel
            if self._closed.is_set():
                return None
            self._stream = stream = self._stream or self._open(self._request, self._begun)
        try:
            return next(stream, None)
        except grpc.RpcError as failure:
            if not self._closed.is_set():
                self._check(failure)
            return None

    def close(self) -> None:
        """Ends the watch."""
        with self._opening:
            self._closed.set()
            if self._stream is not None:
                self._stream.cancel()

    def __enter__(self) -> Self:
        self._ahead = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncWatch(_Position):
    """Watch for `async for`. `close` must be called in the same event loop."""

    def __init__(self, open_: Callable[[WatchChangesRequest, bool], AsyncStream], request: WatchChangesRequest) -> None:
        super().__init__(request)
        self._open = open_
        self._stream: AsyncStream | None = None
        self._closed = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchChangesResponse:
        while not self._closed.is_set():
            message, self._ahead = self._ahead or await self._read(), None
            if message is None:
                self._stream = None
                await self._pause()
            elif self._is_event(message):
                return message
        raise StopAsyncIteration

    async def _read(self) -> WatchChangesResponse | None:
        """The next message; None if the stream has ended and may be reopened."""
        try:
            self._stream = self._stream or self._open(self._request, self._begun)
            message = await self._stream.read()
        except grpc.aio.AioRpcError as failure:
            self._check(failure)
            return None
        except asyncio.CancelledError:
            # gRPC raises this for a stream that `close` cancelled; a cancelled task must stay cancelled.
            task = asyncio.current_task()
            if not self._closed.is_set() or (task and task.cancelling()):
                raise
            return None
        return message if isinstance(message, WatchChangesResponse) else None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await self._closed.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Ends the watch."""
        self._closed.set()
        if self._stream is not None:
            self._stream.cancel()

    async def __aenter__(self) -> Self:
        self._ahead = await self._read()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
