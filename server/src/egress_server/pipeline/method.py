"""RPCs as the transports and the pipeline see them: the contract's part, and the functions that serve them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from egress_server.commands.services import Caller, Services


class Command(Protocol):
    """A decoded and validated request."""

    @property
    def mesh(self) -> str:
        """ID of the mesh that it is about; the caller needs the permission for this mesh."""


@dataclass(frozen=True, slots=True)
class Method:
    """A unary RPC.

    `mutates` is whether the request has the options of mutations. `batched` is whether calls are grouped by the
    WriteBatcher. `pages` is whether the response is a page of a list, which may be large.
    """

    descriptor: MethodDescriptor
    path: str
    request_type: type[Message]
    response_type: type[Message]
    permission: str
    decode: Callable[[Any], Command]
    run: Callable[[Services, Caller, Any], Awaitable[Any]]
    encode: Callable[[Any], Message]
    mutates: bool = False
    batched: bool = False
    pages: bool = False


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """An RPC with a stream of responses. `run` is an async generator of what `encode` writes."""

    descriptor: MethodDescriptor
    path: str
    request_type: type[Message]
    response_type: type[Message]
    permission: str
    decode: Callable[[Any], Command]
    run: Callable[[Services, Caller, Any], AsyncGenerator[Any, None]]
    encode: Callable[[Any], Message]


@dataclass(frozen=True, slots=True)
class RpcCall:
    """What the transport knows about a call. `metadata` has lower-case keys; `deadline` is a time.monotonic() value."""

    transport: str
    peer: str
    metadata: Mapping[str, str]
    deadline: float | None = None
