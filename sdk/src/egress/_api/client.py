"""The two clients, blocking and async. They have the same methods, and differ in how they send."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from egress._api.changes import ChangeMethods
from egress._api.clusters import ClusterMethods
from egress._api.entries import EntryMethods
from egress._api.explain import ExplainMethods
from egress._api.faults import FaultMethods
from egress._api.generated.awaited import AwaitedMethods
from egress._api.generated.blocking import BlockingMethods
from egress._api.interceptions import InterceptionMethods
from egress._api.policies import PolicyMethods
from egress._client.calls import Call, FaultLease, ListCall
from egress._client.errors import from_rpc_error
from egress._client.fault_context import hold_fault, hold_fault_async
from egress._client.pagers import AsyncPager, Pager
from egress._client.reply_fields import MutationReply
from egress._client.results import AsyncMutationResult, MutationResult
from egress._client.transport import RoundRobin, options, target_or_default
from egress._client.watch import AsyncStream, AsyncWatch, Stream, Watch
from egress.v1.change_service_pb2 import WatchChangesRequest, WatchChangesResponse
from egress.v1.fault_pb2 import Fault

__all__ = ["AsyncEgressClient", "EgressClient"]

Reply = TypeVar("Reply", bound=Message)
Done = TypeVar("Done", bound=MutationReply)
Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)


class _Methods(
    PolicyMethods,
    EntryMethods,
    FaultMethods,
    InterceptionMethods,
    ExplainMethods,
    ClusterMethods,
    ChangeMethods,
):
    """The methods that are written by hand."""


class EgressClient(_Methods, BlockingMethods):
    """A blocking client. Threads may share it.

    `target` is HOST:PORT or unix:PATH (default: EGRESS_SERVER, or 127.0.0.1:9090). `timeout` is in seconds and applies
    to each call, retries included. Calls are distributed over `channels` connections: one is enough unless many threads
    share the client, because a server limits the concurrent calls of a connection. A `channel` that you pass is used as
    it is, and is not closed. Every method raises EgressError.
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
        address = target_or_default(target)
        self._channels = RoundRobin(
            [channel] if channel else [grpc.insecure_channel(address, options=one) for one in options(channels)]
        )

    def close(self) -> None:
        """Closes the connections."""
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

    def _change(self, call: Call[Done]) -> MutationResult[Done]:
        return MutationResult(self._send(cast(Call[Any], call)), self)

    def _list(self, first: ListCall[Item, Page]) -> Pager[Item, Page]:
        return Pager(lambda token: self._send(_page(first.call, token)), first.items)

    def _watch(self, call: Call[WatchChangesResponse]) -> Watch:
        def open_(request: WatchChangesRequest, wait_for_ready: bool) -> Stream:
            method = self._channels.next().unary_stream(
                call.path,
                request_serializer=WatchChangesRequest.SerializeToString,
                response_deserializer=WatchChangesResponse.FromString,
            )
            return method(request, wait_for_ready=wait_for_ready)

        return Watch(open_, cast(WatchChangesRequest, call.request))

    def _hold(self, lease: FaultLease) -> AbstractContextManager[Fault]:
        return hold_fault(lease, self._change, self.clear_fault)


class AsyncEgressClient(_Methods, AwaitedMethods):
    """An async client. It belongs to the event loop that first uses it.

    Takes the same arguments as EgressClient, with a channel of grpc.aio.
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
    def _channels(self) -> RoundRobin[grpc.aio.Channel]:
        # Not in the constructor: a channel binds to the event loop that is current when it is created.
        if self._given:
            return RoundRobin([self._given])
        return RoundRobin([grpc.aio.insecure_channel(self._target, options=one) for one in self._options])

    async def close(self) -> None:
        """Closes the connections."""
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

    async def _change(self, call: Call[Done]) -> AsyncMutationResult[Done]:
        return AsyncMutationResult(await self._send(cast(Call[Any], call)), self)

    def _list(self, first: ListCall[Item, Page]) -> AsyncPager[Item, Page]:
        return AsyncPager(lambda token: self._send(_page(first.call, token)), first.items)

    def _watch(self, call: Call[WatchChangesResponse]) -> AsyncWatch:
        def open_(request: WatchChangesRequest, wait_for_ready: bool) -> AsyncStream:
            method = self._channels.next().unary_stream(
                call.path,
                request_serializer=WatchChangesRequest.SerializeToString,
                response_deserializer=WatchChangesResponse.FromString,
            )
            return method(request, wait_for_ready=wait_for_ready)

        return AsyncWatch(open_, cast(WatchChangesRequest, call.request))

    def _hold(self, lease: FaultLease) -> AbstractAsyncContextManager[Fault]:
        return hold_fault_async(lease, self._change, self.clear_fault)


def _seconds(call: Call[Reply], default: float) -> float:
    return default if call.timeout is None else call.timeout


def _page(call: Call[Page], token: str) -> Call[Page]:
    request = type(call.request)()
    request.CopyFrom(call.request)
    request.page_token = token  # type: ignore[attr-defined]
    return Call(call.path, request, call.reply, call.timeout)
