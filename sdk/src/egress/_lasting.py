"""Methods whose result lasts, a watch or a fault that is held: written once for both clients, as in `_calls`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, overload

from egress._calls import Call, bind
from egress._leases import Lease
from egress._watch import AsyncWatch, Watch
from egress.v1.change_service_pb2 import WatchChangesResponse
from egress.v1.fault_pb2 import Fault

P = ParamSpec("P")


class Blocking(Protocol):
    """A client whose results block."""

    def _watch(self, call: Call[WatchChangesResponse]) -> Watch: ...

    def _hold(self, lease: Lease) -> AbstractContextManager[Fault]: ...


class Awaiting(Protocol):
    """A client whose results are awaited."""

    def _watch(self, call: Call[WatchChangesResponse]) -> AsyncWatch: ...

    def _hold(self, lease: Lease) -> AbstractAsyncContextManager[Fault]: ...


class watched(Generic[P]):
    """Turns a method that builds a call of a stream into one that returns a watch."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[WatchChangesResponse]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Call[WatchChangesResponse]]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, Watch]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AsyncWatch]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return bind(self._build, client, "_watch")


class leased(Generic[P]):
    """Turns a method that builds a lease into one that returns a context manager."""

    def __init__(self, build: Callable[Concatenate[Any, P], Lease]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Lease]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, AbstractContextManager[Fault]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, AbstractAsyncContextManager[Fault]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return bind(self._build, client, "_hold")
