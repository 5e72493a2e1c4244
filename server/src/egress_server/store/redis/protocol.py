"""One socket to a server: commands go out in batches, replies come back in order.

redis-py's connection reads replies in a coroutine, for one caller at a time; many callers on one socket would need a
reader task and a queue around it. Here hiredis, the parser, runs in the event loop's callback, and a reply resolves one
future.

Commands sent while two batches are in flight become the next batch. That lets one fsync serve many commits: the server
flushes once for everything it has read.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

_BATCHES_IN_FLIGHT = 2
STALL_SECONDS = 4.0
"""A connection counts as lost if a reply is due for this long (at most twice that) and nothing arrives: the link may be
half-open. Blocking reads must be shorter."""

# Error codes about the server's state rather than the command (shared.* in Redis' server.c). For an error inside a
# script, some versions put other words in front.
_KINDS = re.compile(
    r"\b(NOSCRIPT|LOADING|READONLY|MASTERDOWN|OOM|MISCONF|BUSY|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|EXECABORT"
    r"|NOAUTH|WRONGPASS|NOPERM)\b"
)
# Those of a server that can't serve now but will soon, or will be replaced by another one at the same address.
_NOT_SERVING = ("LOADING", "READONLY", "MASTERDOWN")


class ConnectionLost(Exception):
    """The connection broke; the command may or may not have run."""


class ReplyError(Exception):
    """The server replied with an error."""

    @property
    def kind(self) -> str:
        """The error code, such as OOM; ERR for any that is not about the server's state."""
        found = _KINDS.search(str(self))
        return found.group() if found else "ERR"


class RedisProtocol(asyncio.Protocol):
    """One connected socket. `on_lost` is called once, when the connection is lost."""

    def __init__(self, on_lost: Callable[["RedisProtocol"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._transport: asyncio.Transport | None = None
        self._due: deque[asyncio.Future[Any]] = deque()
        self._queue: list[bytes] = []
        self._flush_scheduled = False
        self._batches: deque[int] = deque()
        self._replies = 0
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether commands can still be sent."""
        return self._transport is not None

    def send(self, *args: bytes | str | int) -> asyncio.Future[Any]:
        """Queues a command. The future resolves to the reply, or raises ReplyError or ConnectionLost.

        Cancelling the future drops the reply; the command still runs, and later replies keep their order.
        """
        future = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ConnectionLost())
            return future
        self._due.append(future)
        self._queue.append(hiredis.pack_command(args))  # type: ignore[arg-type] # its stub lacks the dots
        if not self._flush_scheduled and len(self._batches) < _BATCHES_IN_FLIGHT:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def abort(self) -> None:
        """Closes the connection; commands waiting for a reply raise ConnectionLost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but ancestry
        self._watch(None)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._resolve(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._queue.clear()
        due, self._due = self._due, deque()
        for future in due:
            if not future.done():
                future.set_exception(ConnectionLost())
        self._on_lost(self)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._transport is None or not self._queue:
            return
        self._transport.write(b"".join(self._queue))
        self._batches.append(len(self._queue))
        self._queue.clear()

    def _resolve(self, reply: Any) -> None:
        self._replies += 1
        future = self._due.popleft()
        self._batches[0] -= 1
        if not self._batches[0]:
            self._batches.popleft()
            if self._queue and not self._flush_scheduled:
                self._flush_scheduled = True
                self._loop.call_soon(self._flush)
        if isinstance(reply, ReplyError):
            if reply.kind in _NOT_SERVING:
                self.abort()
                reply = ConnectionLost(str(reply))
            if not future.done():
                future.set_exception(reply)
        elif not future.done():
            future.set_result(reply)

    def _watch(self, stuck_at: int | None) -> None:
        """Aborts a stalled connection. `stuck_at` is the reply count at the last check if a reply was due then."""
        if self._due and self._replies == stuck_at:
            self.abort()
            return
        waits_at = self._replies if self._due else None
        self._watchdog = self._loop.call_later(STALL_SECONDS, self._watch, waits_at)
