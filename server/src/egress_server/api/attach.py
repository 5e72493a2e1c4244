"""The agents' stream. Like every door it takes raw bytes, so that a malformed message gets an error of ours."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.sessions.sessions import Sessions
from egress_server.domain.model.errors import EgressError, InvalidArgument
from egress_server.pipeline.pipeline import Pipeline, RpcCall, StatusError
from egress_server.pipeline.status import refusal_of

PERMISSION = "egress.agents.attach"
_Context = grpc.aio.ServicerContext[bytes, bytes]


def attach_handler(pipeline: Pipeline, sessions: Sessions) -> grpc.GenericRpcHandler:
    """Serves AgentService.Attach."""

    async def attach(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        try:
            await pipeline.admit(PERMISSION, "-", RpcCall("grpc", context.peer(), metadata))
            async with aclosing(sessions.attach(_parsed(requests))) as responses:
                async for response in responses:
                    yield response.SerializeToString()
        except EgressError as error:
            await context.abort_with_status(rpc_status.to_status(refusal_of(error).status))
        except StatusError as refusal:
            await context.abort_with_status(rpc_status.to_status(refusal.status))

    return grpc.method_handlers_generic_handler(
        "egress.v1.AgentService", {"Attach": grpc.stream_stream_rpc_method_handler(attach)}
    )


async def _parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[pb.AttachRequest]:
    async for request in requests:
        try:
            yield pb.AttachRequest.FromString(request)
        except DecodeError:
            raise InvalidArgument("the message is no AttachRequest", reason="MALFORMED_REQUEST") from None
