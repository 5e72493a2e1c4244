"""How one method serves both clients.

A method written by hand only builds a request. `unary`, `mutating`, `watched` and `leased` turn that builder into a
method that sends it: on EgressClient it returns the result, on AsyncEgressClient it returns an awaitable. Type checkers
see the builder's parameters with the right result for either client.
"""

import functools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from google.protobuf.message import Message

from egress._client.pagers import AsyncPager, Pager
from egress._client.results import AsyncMutationResult, MutationReply, MutationResult, Until
from egress._client.watch import AsyncWatch, Watch
from egress.v1.change_service_pb2 import WatchChangesResponse
from egress.v1.egress_service_pb2 import InjectFaultResponse
from egress.v1.fault_pb2 import Fault

P = ParamSpec("P")
Reply = TypeVar("Reply", bound=Message)
Done = TypeVar("Done", bound=MutationReply)
Sent = TypeVar("Sent")
Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[Sent]):
    """A request to send. `path` is gRPC's name of the method; `timeout` is in seconds, None for the client's."""

    path: str
    request: Message
    reply: type[Sent]
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class ListCall(Generic[Item, Page]):
    """A call for the first page of a list, and how to get the items of a page."""

    call: Call[Page]
    items: Callable[[Page], Sequence[Item]]


@dataclass(frozen=True, slots=True)
class FaultLease:
    """A fault to inject for the duration of a block, and the state to wait for at its start and end; None for none.

    `wait_timeout` is in seconds.
    """

    inject: Call[InjectFaultResponse]
    until: Until | None
    wait_timeout: float


class BlockingSender(Protocol):
    """A client whose methods return the result."""

    mesh: str

    def _send(self, call: Call[Reply]) -> Reply: ...

    def _change(self, call: Call[Done]) -> MutationResult[Done]: ...

    def _list(self, call: ListCall[Item, Page]) -> Pager[Item, Page]: ...

    def _watch(self, call: Call[WatchChangesResponse]) -> Watch: ...

    def _hold(self, lease: FaultLease) -> AbstractContextManager[Fault]: ...


class AsyncSender(Protocol):
    """A client whose methods are awaited."""

    mesh: str

    async def _send(self, call: Call[Reply]) -> Reply: ...

    async def _change(self, call: Call[Done]) -> AsyncMutationResult[Done]: ...

    def _list(self, call: ListCall[Item, Page]) -> AsyncPager[Item, Page]: ...

    def _watch(self, call: Call[WatchChangesResponse]) -> AsyncWatch: ...

    def _hold(self, lease: FaultLease) -> AbstractAsyncContextManager[Fault]: ...


class unary(Generic[P, Reply]):
    """Turns a method that builds a call into one that sends it and returns the reply."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Reply]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[Reply]]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, Reply]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Coroutine[Any, Any, Reply]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bind(self._build, client, "_send")


class mutating(Generic[P, Done]):
    """Turns a method that builds a mutation's call into one that sends it and returns a MutationResult."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Done]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[Done]]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, MutationResult[Done]]: ...
    @overload
    def __get__(
        self, client: AsyncSender, owner: type
    ) -> Callable[P, Coroutine[Any, Any, AsyncMutationResult[Done]]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bind(self._build, client, "_change")


class watched(Generic[P]):
    """Turns a method that builds a stream's call into one that returns a watch."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[WatchChangesResponse]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[WatchChangesResponse]]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, Watch]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncWatch]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bind(self._build, client, "_watch")


class leased(Generic[P]):
    """Turns a method that builds a lease into one that returns a context manager."""

    def __init__(self, build: Callable[Concatenate[Any, P], FaultLease]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], FaultLease]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, AbstractContextManager[Fault]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AbstractAsyncContextManager[Fault]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bind(self._build, client, "_hold")


def _bind(build: Callable[..., Any], client: Any, verb: str) -> Any:
    """The method of `client` that passes what `build` returns to the client's `verb`; without a client, `build`."""
    if client is None:
        return build
    bound = functools.partial(build, client)

    @functools.wraps(build)
    def method(*args: Any, **kwargs: Any) -> Any:
        return getattr(client, verb)(bound(*args, **kwargs))

    return method
