"""A connection that reconnects by itself.

Every command that the store sends is idempotent: reads are reads, a commit carries its request key, records and leases
overwrite themselves. So a command whose connection broke is sent again on the next one, for PATIENCE_SECONDS; after
that it raises Unavailable.
"""

import asyncio
from typing import Any

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.errors import EgressError, ResourceExhausted, Unavailable
from egress_server.store import scripts
from egress_server.store.redis.address import Address
from egress_server.store.redis.protocol import ConnectionLost, RedisProtocol, ReplyError
from egress_server.store.scripts import Script

_log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a call retries, from its start; a stalled connection is detected only after STALL_SECONDS."""
_CONNECT_SECONDS = 5.0
_BACKOFF = Backoff(0.02, 0.5)
_STEADY_SECONDS = 1.0
"""A connection that lived this long resets the backoff."""


class StoreFault(Exception):
    """The server rejected a command: a bug in the store, or another program's data under its keys."""

    def __init__(self, refused: ReplyError) -> None:
        super().__init__(str(refused))
        self.kind = refused.kind


class RedisConnection:
    """Commands of many callers on one socket, replies in order; reconnects between `start` and `close`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._wire: RedisProtocol | None = None
        self._lost = asyncio.Event()
        self._back = asyncio.Event()
        self._closed = False
        self._keeper = Background()
        self._reason = ""

    async def start(self) -> None:
        """Connects. Raises Unavailable at the first failure, without a retry."""
        try:
            await self._connect()
        except (ConnectionLost, ReplyError, OSError, TimeoutError) as error:
            raise _unavailable(f"cannot connect to the store at {self.address}: {_text(error)}") from None
        self._keeper.start(Task.STORE_CONNECTION, self._keep, address=str(self.address))

    async def close(self) -> None:
        """Closes the connection. Waiting calls raise Unavailable."""
        self._closed = True
        await self._keeper.close()
        if self._wire is not None:
            self._wire.abort()
        self._back.set()

    async def call(self, *args: bytes | str | int) -> Any:
        """The reply to one command. Raises Unavailable, ResourceExhausted, StoreFault."""
        give_up = self._give_up()
        while True:
            wire = self._wire or await self._reconnected(give_up)
            try:
                return await wire.send(*args)
            except ConnectionLost:
                continue
            except ReplyError as refused:
                raise _error_of(refused) from None

    async def run(self, script: Script, keys: tuple[str, ...], *args: bytes | str | int) -> Any:
        """The reply of a script; raises what `call` raises."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *args)
        except StoreFault as fault:
            if fault.kind != "NOSCRIPT":
                raise
        # The script cache was flushed; EVAL loads this script again.
        return await self.call("EVAL", script.text, len(keys), *keys, *args)

    async def read_together(self, *commands: tuple[bytes | str | int, ...]) -> list[Any]:
        """The replies to several reads as of one moment; raises what `call` raises."""
        give_up = self._give_up()
        while True:
            wire = self._wire or await self._reconnected(give_up)
            futures = [wire.send(*command) for command in (("MULTI",), *commands, ("EXEC",))]
            *_, result = await asyncio.gather(*futures, return_exceptions=True)
            if isinstance(result, list):
                return result
            if isinstance(result, ReplyError):
                raise _error_of(result)

    def _give_up(self) -> float:
        return asyncio.get_running_loop().time() + PATIENCE_SECONDS

    async def _reconnected(self, give_up: float) -> RedisProtocol:
        """A live connection, which may be lost again by the time the caller uses it."""
        while self._wire is None:
            try:
                async with asyncio.timeout_at(give_up):
                    await self._back.wait()
            except TimeoutError:
                raise _unavailable(
                    f"the store at {self.address} is unavailable: {self._reason or 'the connection is lost'}"
                ) from None
            if self._closed:
                raise _unavailable("the connection to the store is closed")
        return self._wire

    async def _connect(self) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            wire = await self.address.open(lambda: RedisProtocol(self._on_lost))
            try:
                hello = [wire.send(*command) for command in self.address.login()]
                hello += [wire.send("SCRIPT", "LOAD", script.text) for script in scripts.ALL]
                await asyncio.gather(*hello)
            except BaseException:
                wire.abort()
                raise
        if not wire.is_open:
            raise ConnectionLost
        self._lost.clear()
        self._wire = wire
        self._back.set()

    def _on_lost(self, wire: RedisProtocol) -> None:
        if wire is self._wire:
            self._wire = None
            self._lost.set()
            if not self._closed:
                self._back.clear()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            since = loop.time()
            await self._lost.wait()
            _log.warning("store_connection_lost", address=str(self.address))
            if loop.time() - since > _STEADY_SECONDS:
                failures = 0
            while self._wire is None:
                await asyncio.sleep(_BACKOFF.pause(failures))
                failures += 1
                try:
                    await self._connect()
                except (ConnectionLost, ReplyError, OSError, TimeoutError) as error:
                    self._reason = _text(error)
            _log.info("store_connection_restored", address=str(self.address), tries=failures)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, reason="STORE_UNAVAILABLE", retry_after=1.0)


def _error_of(refused: ReplyError) -> EgressError | StoreFault:
    """The error that an error reply means to callers."""
    if refused.kind == "OOM":
        return ResourceExhausted(
            "the store is out of memory; nothing was written", reason="STORE_FULL", retry_after=10.0
        )
    if refused.kind in ("ERR", "NOSCRIPT", "WRONGTYPE"):
        return StoreFault(refused)
    return _unavailable(f"the store is not able to serve requests: {refused}")
