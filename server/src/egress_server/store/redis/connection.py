"""A connection to Redis that reconnects by itself.

Every command we send may be repeated without harm: reads are reads, a commit carries its request key, records and
leases overwrite themselves. So a command whose connection broke is sent again on the next one, for as long as callers
can be asked to wait; then it raises Unavailable.
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
"""How long a call tries again, from its start; a connection that fell silent is noticed only after STALL_SECONDS."""
_CONNECT_SECONDS = 5.0
_BACKOFF = Backoff(0.02, 0.5)
_STEADY_SECONDS = 1.0
"""A connection that lived this long starts the back-off over."""


class StoreFault(Exception):
    """Redis refused what we sent: a bug of ours, or another program's data under our keys."""

    def __init__(self, refused: ReplyError) -> None:
        super().__init__(str(refused))
        self.kind = refused.kind


class RedisConnection:
    """Commands of many callers on one socket, replies in order; reconnects by itself between `start` and `close`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._wire: RedisProtocol | None = None
        self._lost = asyncio.Event()
        self._back = asyncio.Event()
        self._closed = False
        self._keeper = Background()
        self._why = ""

    async def start(self) -> None:
        """Connects. Raises Unavailable at once where that fails: at the start someone looks."""
        try:
            await self._connect()
        except (ConnectionLost, ReplyError, OSError, TimeoutError) as error:
            raise _unavailable(f"no connection to the store at {self.address}: {_text(error)}") from None
        self._keeper.start(Task.STORE_CONNECTION, self._keep, address=str(self.address))

    async def close(self) -> None:
        """Ends the connection. Calls that wait raise Unavailable."""
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
                raise _meaning(refused) from None

    async def run(self, script: Script, keys: tuple[str, ...], *args: bytes | str | int) -> Any:
        """The reply of a script; raises as `call`."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *args)
        except StoreFault as fault:
            if fault.kind != "NOSCRIPT":
                raise
        # Somebody flushed the scripts; EVAL loads this one again.
        return await self.call("EVAL", script.text, len(keys), *keys, *args)

    async def read_at_once(self, *commands: tuple[bytes | str | int, ...]) -> list[Any]:
        """The replies of several reads, all as of one moment; raises as `call`."""
        give_up = self._give_up()
        while True:
            wire = self._wire or await self._reconnected(give_up)
            futures = [wire.send(*command) for command in (("MULTI",), *commands, ("EXEC",))]
            *_, result = await asyncio.gather(*futures, return_exceptions=True)
            if isinstance(result, list):
                return result
            if isinstance(result, ReplyError):
                raise _meaning(result)

    def _give_up(self) -> float:
        return asyncio.get_running_loop().time() + PATIENCE_SECONDS

    async def _reconnected(self, give_up: float) -> RedisProtocol:
        """A live connection, which may be lost again by the time somebody sees it."""
        while self._wire is None:
            try:
                async with asyncio.timeout_at(give_up):
                    await self._back.wait()
            except TimeoutError:
                raise _unavailable(
                    f"the store at {self.address} can't be reached: {self._why or 'the connection is lost'}"
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
                    self._why = _text(error)
            _log.info("store_connection_back", address=str(self.address), tries=failures)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, reason="STORE_UNAVAILABLE", retry_after=1.0)


def _meaning(refused: ReplyError) -> EgressError | StoreFault:
    """What an error reply means to callers."""
    if refused.kind == "OOM":
        return ResourceExhausted(
            "the store's memory is full: nothing was written", reason="STORE_FULL", retry_after=10.0
        )
    if refused.kind in ("ERR", "NOSCRIPT", "WRONGTYPE"):
        return StoreFault(refused)
    return _unavailable(f"the store can't serve: {refused}")
