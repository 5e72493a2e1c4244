"""The baselines, each a server process of its own: what any server made of these parts must spend.

    python -m tests.bench.baseline REPLY_BYTES            B0: bytes in, bytes out
    python -m tests.bench.baseline REPLY_BYTES DATA_DIR   B1: the same, with one Redis script in between

B1 uses the product's own connection and the product's own embedded server, flushing every write to disk, so
that nothing differs but what we do around the script. Prints its address when it serves.
"""

import asyncio
import hashlib
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import uvloop

from egress_server.store.embedded.server import EmbeddedServer
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.scripts import Script
from tests.bench.load import CALLERS
from tests.bench.work import ENTRIES_PER_CALLER, UPSERT

_SCRIPT_TEXT = b"""
local revision = redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[3], revision .. '-0', 'k', ARGV[1])
return revision
"""
_SCRIPT = Script(_SCRIPT_TEXT, hashlib.sha1(_SCRIPT_TEXT, usedforsecurity=False).hexdigest())
_KEYS = ("{bench}:revision", "{bench}:entries", "{bench}:log")

Context = grpc.aio.ServicerContext[bytes, bytes]
Unary = Callable[[bytes, Context], Awaitable[bytes]]


def bare_echo(reply: bytes) -> Unary:
    """B0's handler."""

    async def call(request: bytes, context: Context) -> bytes:
        return reply

    return call


def echo_after_script(reply: bytes, connection: RedisConnection) -> Unary:
    """B1's handler: it replies when the write is on the disk."""
    fields = itertools.cycle(range(CALLERS * ENTRIES_PER_CALLER))

    async def call(request: bytes, context: Context) -> bytes:
        await connection.run(_SCRIPT, _KEYS, next(fields), request)
        return reply

    return call


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, unary: Unary) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(unary)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The only handler."""
        return self._handler if handler_call_details.method == UPSERT else None


@asynccontextmanager
async def _durable(data_dir: Path) -> AsyncIterator[RedisConnection]:
    redis = EmbeddedServer(data_dir, "bench")
    connection = RedisConnection(await redis.start())
    try:
        await connection.start()
        yield connection
    finally:
        await connection.close()
        await redis.stop()


async def _serve(unary: Unary) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handlers(unary),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await stop.wait()
    await server.stop(None)


async def _main(reply_bytes: int, data_dir: Path | None) -> None:
    reply = bytes(reply_bytes)
    if data_dir is None:
        await _serve(bare_echo(reply))
        return
    async with _durable(data_dir) as connection:
        await _serve(echo_after_script(reply, connection))


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
