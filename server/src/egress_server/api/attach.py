"""Serves the agent stream. Takes raw bytes like all RPCs, so that a malformed message gets the API's own error."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.sessions.sessions import Sessions
from egress_server.domain.model.errors import EgressError, InvalidArgument
from egress_server.pipeline.method import RpcCall
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError, status_error
from egress_server.wire.table import permission

_SERVICE = pb.DESCRIPTOR.services_by_name["AgentService"]
_ATTACH = _SERVICE.methods_by_name["Attach"]
_Context = grpc.aio.ServicerContext[bytes, bytes]


def attach_handler(pipeline: Pipeline, sessions: Sessions) -> grpc.GenericRpcHandler:
    """Serves AgentService.Attach."""

    async def attach(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        try:
            await pipeline.admit(permission(_ATTACH), "-", RpcCall("grpc", context.peer(), metadata))
            async with aclosing(sessions.attach(_parsed(requests))) as responses:
                async for response in responses:
                    yield response.SerializeToString()
        except EgressError as error:
            await context.abort_with_status(rpc_status.to_status(status_error(error).status))
        except StatusError as error:
            await context.abort_with_status(rpc_status.to_status(error.status))

    return grpc.method_handlers_generic_handler(
        _SERVICE.full_name, {_ATTACH.name: grpc.stream_stream_rpc_method_handler(attach)}
    )


async def _parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[pb.AttachRequest]:
    async for request in requests:
        try:
            yield pb.AttachRequest.FromString(request)
        except DecodeError:
            raise InvalidArgument(
                "message is not a valid egress.v1.AttachRequest", reason="MALFORMED_REQUEST"
            ) from None
