"""How one method serves both clients.

A method written by hand only builds a request. `unary`, `mutating`, `watched` and `leased` turn that builder into a
method that sends it: on EgressClient it returns the result, on AsyncEgressClient it returns an awaitable. Type checkers
see the builder's parameters with the right result for either client.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, get_args, overload

from google.protobuf.message import Message

from egress._client.pagers import AsyncPager, Pager
from egress._client.reply_fields import MutationReply
from egress._client.results import AsyncMutationResult, MutationResult, Until
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


class _Sending(Generic[P]):
    """What the decorators share: the method of a client that passes the result of a builder to the client's `_verb`."""

    _verb: str

    def __init__(self, build: Callable[Concatenate[Any, P], Any]) -> None:
        self._build = build
        self._methods: dict[type, Callable[..., Any]] = {}

    def _bound(self, client: Any, owner: type) -> Any:
        if not hasattr(owner, self._verb):  # not a client, but the class that has the builder
            return self._build
        if owner not in self._methods:
            self._methods[owner] = _sending(self._build, getattr(owner, self._verb))
        return self._methods[owner] if client is None else MethodType(self._methods[owner], client)


class unary(_Sending[P], Generic[P, Reply]):
    """Turns a method that builds a call into one that sends it and returns the reply."""

    _verb = "_send"

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Reply]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, Reply]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Coroutine[Any, Any, Reply]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self._bound(client, owner)


class mutating(_Sending[P], Generic[P, Done]):
    """Turns a method that builds a mutation's call into one that sends it and returns a MutationResult."""

    _verb = "_change"

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Done]]) -> None:
        super().__init__(build)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, MutationResult[Done]]: ...
    @overload
    def __get__(
        self, client: AsyncSender, owner: type
    ) -> Callable[P, Coroutine[Any, Any, AsyncMutationResult[Done]]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self._bound(client, owner)


class watched(_Sending[P]):
    """Turns a method that builds a stream's call into one that returns a watch."""

    _verb = "_watch"

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, Watch]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncWatch]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self._bound(client, owner)


class leased(_Sending[P]):
    """Turns a method that builds a lease into one that returns a context manager."""

    _verb = "_hold"

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, client: BlockingSender, owner: type) -> Callable[P, AbstractContextManager[Fault]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AbstractAsyncContextManager[Fault]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self._bound(client, owner)


def _sending(build: Callable[..., Any], send: Callable[..., Any]) -> Callable[..., Any]:
    """The method that passes what `build` returns to `send`. Its signature is the builder's, with the real result."""
    if inspect.iscoroutinefunction(send):

        @functools.wraps(build)
        async def method(client: Any, *args: Any, **kwargs: Any) -> Any:
            return await send(client, build(client, *args, **kwargs))
    else:

        @functools.wraps(build)
        def method(client: Any, *args: Any, **kwargs: Any) -> Any:
            return send(client, build(client, *args, **kwargs))

    result = send.__annotations__["return"]
    built = get_args(build.__annotations__["return"])
    if isinstance(result, TypeVar):
        (result,) = built
    elif getattr(result, "__parameters__", ()):
        result = result[built]
    signature = inspect.signature(build).replace(return_annotation=result)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method
