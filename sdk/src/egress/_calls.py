"""Why each RPC is written once for both clients.

A method of the SDK only builds a request. `unary`, `mutating` and `paged` (and `watched` and `leased` in `_lasting`)
turn the builder into a method that sends it: one that returns the reply on a client that blocks, one that is awaited
on the other. Type checkers see the builder's signature with the right return type on either client.
"""

import functools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from google.protobuf.message import Message

from egress._changed import AsyncChanged, Changed, Mutated
from egress._pagers import AsyncPager, Pager

P = ParamSpec("P")
Reply = TypeVar("Reply", bound=Message)
Done = TypeVar("Done", bound=Mutated)
Sent = TypeVar("Sent")
Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)
Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class Call(Generic[Sent]):
    """One request on its way: `path` is gRPC's name of the method, `timeout` in seconds, None
    for the client's.
    """

    path: str
    request: Message
    reply: type[Sent]
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item, Page]):
    """A call for the first page of a list, and where a page keeps its items."""

    call: Call[Page]
    items: Callable[[Page], Sequence[Item]]


class Blocking(Protocol):
    """A client whose methods return the reply."""

    def _send(self, call: Call[Reply]) -> Reply: ...

    def _change(self, call: Call[Done]) -> Changed[Done]: ...

    def _list(self, listing: Listing[Item, Page]) -> Pager[Item, Page]: ...


class Awaiting(Protocol):
    """A client whose methods are awaited."""

    async def _send(self, call: Call[Reply]) -> Reply: ...

    async def _change(self, call: Call[Done]) -> AsyncChanged[Done]: ...

    def _list(self, listing: Listing[Item, Page]) -> AsyncPager[Item, Page]: ...


class unary(Generic[P, Reply]):
    """Turns a method that builds a call into one that makes it."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Reply]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[Reply]]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Reply]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, Reply]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return bind(self._build, client, "_send")


class mutating(Generic[P, Done]):
    """Turns a method that builds a call of a mutation into one that makes it and gives something to wait for."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Done]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[Done]]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Changed[Done]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, AsyncChanged[Done]]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return bind(self._build, client, "_change")


class paged(Generic[P, Item, Page]):
    """Turns a method that builds a listing into one that returns a pager."""

    def __init__(self, build: Callable[Concatenate[Any, P], Listing[Item, Page]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Listing[Item, Page]]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Pager[Item, Page]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AsyncPager[Item, Page]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return bind(self._build, client, "_list")


def bind(build: Callable[..., Any], client: Any, verb: str) -> Any:
    """The method of `client` that hands what `build` makes to the client's `verb`; without a client, `build` itself."""
    if client is None:
        return build
    bound = functools.partial(build, client)

    @functools.wraps(build)
    def method(*args: Any, **kwargs: Any) -> Any:
        return getattr(client, verb)(bound(*args, **kwargs))

    return method
