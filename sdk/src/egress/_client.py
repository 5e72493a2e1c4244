"""The two clients: one blocks, one is awaited. They share every method; only sending differs."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from egress._calls import Call, Listing
from egress._changed import AsyncChanged, Changed, Mutated
from egress._changes import ChangeMethods
from egress._channel import Turns, options, target_or_default
from egress._errors import from_rpc_error
from egress._faults import FaultMethods
from egress._fleet import FleetMethods
from egress._insight import InsightMethods
from egress._interceptions import InterceptionMethods
from egress._leases import Lease, held, held_async
from egress._oversight import OversightMethods
from egress._pagers import AsyncPager, Pager
from egress._policies import PolicyMethods
from egress._watch import AsyncStream, AsyncWatch, Stream, Watch
from egress.v1.change_service_pb2 import WatchChangesRequest, WatchChangesResponse
from egress.v1.fault_pb2 import Fault

Reply = TypeVar("Reply", bound=Message)
Done = TypeVar("Done", bound=Mutated)
Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)


class _Methods(
    PolicyMethods,
    FaultMethods,
    InterceptionMethods,
    InsightMethods,
    FleetMethods,
    OversightMethods,
    ChangeMethods,
):
    """Every method of the API."""


class EgressClient(_Methods):
    """A client that blocks. Threads may share it.

    `target` is HOST:PORT or unix:PATH, by default EGRESS_SERVER or 127.0.0.1:9090. `timeout` is in
    seconds and holds for each call with all its retries. Calls take turns on `channels` connections:
    one is enough until many threads share the client, since a server takes only so many calls at once
    on each. A `channel` of your own is used as it is, alone, and stays open. Every method raises
    EgressError.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        mesh: str = "default",
        timeout: float = 30.0,
        channels: int = 1,
        channel: grpc.Channel | None = None,
    ) -> None:
        self.mesh = mesh
        self.timeout = timeout
        self._owned = channel is None
        dialled = target_or_default(target)
        self._channels = Turns(
            [channel] if channel else [grpc.insecure_channel(dialled, options=one) for one in options(channels)]
        )

    def close(self) -> None:
        """Close the connections."""
        if self._owned:
            for channel in self._channels.all:
                channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: Call[Reply]) -> Reply:
        method = self._channels.next().unary_unary(
            call.path,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.reply.FromString,
        )
        try:
            return method(call.request, timeout=_seconds(call, self.timeout))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _change(self, call: Call[Done]) -> Changed[Done]:
        return Changed(self._send(cast(Call[Any], call)), self)

    def _list(self, listing: Listing[Item, Page]) -> Pager[Item, Page]:
        return Pager(lambda token: self._send(_page(listing.call, token)), listing.items)

    def _watch(self, call: Call[WatchChangesResponse]) -> Watch:
        def open_(request: WatchChangesRequest, patient: bool) -> Stream:
            method = self._channels.next().unary_stream(
                call.path,
                request_serializer=WatchChangesRequest.SerializeToString,
                response_deserializer=WatchChangesResponse.FromString,
            )
            return method(request, wait_for_ready=patient)

        return Watch(open_, cast(WatchChangesRequest, call.request))

    def _hold(self, lease: Lease) -> AbstractContextManager[Fault]:
        return held(lease, self._change, self.clear_fault)


class AsyncEgressClient(_Methods):
    """A client whose methods are awaited. It belongs to the event loop it is first used in.

    Takes what EgressClient takes, with a channel of grpc.aio.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        mesh: str = "default",
        timeout: float = 30.0,
        channels: int = 1,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        self.mesh = mesh
        self.timeout = timeout
        self._given = channel
        self._target = target_or_default(target)
        self._options = options(channels)

    @cached_property
    def _channels(self) -> Turns[grpc.aio.Channel]:
        # Not in the constructor: a channel takes hold of the loop that is there when it is made.
        if self._given:
            return Turns([self._given])
        return Turns([grpc.aio.insecure_channel(self._target, options=one) for one in self._options])

    async def close(self) -> None:
        """Close the connections."""
        if self._given is None and "_channels" in vars(self):
            for channel in self._channels.all:
                await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call[Reply]) -> Reply:
        method = self._channels.next().unary_unary(
            call.path,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.reply.FromString,
        )
        try:
            return await method(call.request, timeout=_seconds(call, self.timeout))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def _change(self, call: Call[Done]) -> AsyncChanged[Done]:
        return AsyncChanged(await self._send(cast(Call[Any], call)), self)

    def _list(self, listing: Listing[Item, Page]) -> AsyncPager[Item, Page]:
        return AsyncPager(lambda token: self._send(_page(listing.call, token)), listing.items)

    def _watch(self, call: Call[WatchChangesResponse]) -> AsyncWatch:
        def open_(request: WatchChangesRequest, patient: bool) -> AsyncStream:
            method = self._channels.next().unary_stream(
                call.path,
                request_serializer=WatchChangesRequest.SerializeToString,
                response_deserializer=WatchChangesResponse.FromString,
            )
            return method(request, wait_for_ready=patient)

        return AsyncWatch(open_, cast(WatchChangesRequest, call.request))

    def _hold(self, lease: Lease) -> AbstractAsyncContextManager[Fault]:
        return held_async(lease, self._change, self.clear_fault)


def _seconds(call: Call[Reply], default: float) -> float:
    return default if call.timeout is None else call.timeout


def _page(call: Call[Page], token: str) -> Call[Page]:
    request = type(call.request)()
    request.CopyFrom(call.request)
    request.page_token = token  # type: ignore[attr-defined]
    return Call(call.path, request, call.reply, call.timeout)
