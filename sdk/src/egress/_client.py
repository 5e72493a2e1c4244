"""The two clients: one blocks, one is awaited. They share every method; only sending differs."""

from functools import cached_property
from types import TracebackType
from typing import Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from egress._calls import Call, Listing
from egress._changes import ChangeMethods
from egress._channel import OPTIONS, target_or_default
from egress._egress import EgressMethods
from egress._errors import from_rpc_error
from egress._fleet import FleetMethods
from egress._pagers import AsyncPager, Pager

Reply = TypeVar("Reply", bound=Message)
Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)


class _Methods(EgressMethods, FleetMethods, ChangeMethods):
    """Every method of the API."""


class EgressClient(_Methods):
    """A client that blocks. Threads may share it.

    `target` is HOST:PORT or unix:PATH, by default EGRESS_SERVER or 127.0.0.1:9090. `timeout` is in
    seconds and holds for each call with all its retries. A `channel` of your own is used as it is,
    and stays open. Every method raises EgressError.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        mesh: str = "default",
        timeout: float = 30.0,
        channel: grpc.Channel | None = None,
    ) -> None:
        self.mesh = mesh
        self.timeout = timeout
        self._owned = channel is None
        self._channel = channel or grpc.insecure_channel(target_or_default(target), options=OPTIONS)

    def close(self) -> None:
        """Close the connection."""
        if self._owned:
            self._channel.close()

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
        method = self._channel.unary_unary(
            call.path,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.reply.FromString,
        )
        try:
            return method(call.request, timeout=_seconds(call, self.timeout))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _list(self, listing: Listing[Item, Page]) -> Pager[Item, Page]:
        return Pager(lambda token: self._send(_page(listing.call, token)), listing.items)


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
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        self.mesh = mesh
        self.timeout = timeout
        self._given = channel
        self._target = target_or_default(target)

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Not in the constructor: a channel takes hold of the loop that is there when it is made.
        return self._given or grpc.aio.insecure_channel(self._target, options=OPTIONS)

    async def close(self) -> None:
        """Close the connection."""
        if self._given is None and "_channel" in vars(self):
            await self._channel.close()

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
        method = self._channel.unary_unary(
            call.path,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.reply.FromString,
        )
        try:
            return await method(call.request, timeout=_seconds(call, self.timeout))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    def _list(self, listing: Listing[Item, Page]) -> AsyncPager[Item, Page]:
        return AsyncPager(lambda token: self._send(_page(listing.call, token)), listing.items)


def _seconds(call: Call[Reply], default: float) -> float:
    return default if call.timeout is None else call.timeout


def _page(call: Call[Page], token: str) -> Call[Page]:
    request = type(call.request)()
    request.CopyFrom(call.request)
    request.page_token = token  # type: ignore[attr-defined]
    return Call(call.path, request, call.reply, call.timeout)
