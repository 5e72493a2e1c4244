"""How a handler is registered: by the name of its RPC, in the HANDLERS of a module of `wire`.

The contract has the rest: path, types, permission, whether the RPC mutates or streams.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from egress_server.commands.services import Caller, Services
from egress_server.pipeline.method import Command

C = TypeVar("C", bound=Command)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Handler:
    """Serves a unary RPC. `waits` is whether the command may wait for clusters; such a call is never batched."""

    decode: Callable[[Any], Command]
    command: Callable[[Services, Caller, Any], Awaitable[Any]]
    encode: Callable[[Any], Message]
    waits: bool


@dataclass(frozen=True, slots=True)
class StreamHandler:
    """Serves an RPC with a stream of responses."""

    decode: Callable[[Any], Command]
    command: Callable[[Services, Caller, Any], AsyncGenerator[Any, None]]
    encode: Callable[[Any], Message]


Handlers = Mapping[str, Handler | StreamHandler]


def handler(
    decode: Callable[[Any], C],
    command: Callable[[Services, Caller, C], Awaitable[R]],
    encode: Callable[[R], Message],
    *,
    waits: bool = False,
) -> Handler:
    """A Handler whose functions fit together."""
    return Handler(decode, command, encode, waits)


def stream_handler(
    decode: Callable[[Any], C],
    command: Callable[[Services, Caller, C], AsyncGenerator[R, None]],
    encode: Callable[[R], Message],
) -> StreamHandler:
    """A StreamHandler whose functions fit together."""
    return StreamHandler(decode, command, encode)
