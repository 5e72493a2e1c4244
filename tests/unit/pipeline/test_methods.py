"""The method table against the contract: every RPC is there, and none goes without permission."""

import re
from collections.abc import Mapping
from importlib.resources import files

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from egress.v1 import agent_service_pb2, change_service_pb2, egress_service_pb2, fleet_service_pb2
from egress_server.domain.model.errors import Code, PermissionDenied
from egress_server.pipeline.pipeline import Method, Pipeline, RpcCall, StatusError, StreamMethod
from egress_server.ports.identity import Principal
from egress_server.wire import METHODS, STREAMS
from tests.support.requests import requests
from tests.unit.commands.fakes import World

_FILES = (agent_service_pb2, change_service_pb2, egress_service_pb2, fleet_service_pb2)
RPCS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
UNARY = {path for path, rpc in RPCS.items() if not rpc.client_streaming and not rpc.server_streaming}
STREAMING = {path for path, rpc in RPCS.items() if rpc.server_streaming and not rpc.client_streaming}
ALL: Mapping[str, Method | StreamMethod] = {**METHODS, **STREAMS}
LASTING = {"/egress.v1.FleetService/DeregisterCluster"}
"""What takes a request id and still waits long: for what is ours to be gone from a cluster."""


def test_every_service_of_the_contract_is_looked_at() -> None:
    """A new file with a service must be added above."""
    data = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()
    whole = FileDescriptorSet.FromString(data).file
    assert {file.name for file in whole if file.service and file.package == "egress.v1"} == {
        file.DESCRIPTOR.name for file in _FILES
    }


def test_every_rpc_is_served_and_nothing_else() -> None:
    """A method of the contract without code would answer UNIMPLEMENTED; code without contract is unreachable."""
    assert (set(METHODS), set(STREAMS)) == (UNARY, STREAMING)
    assert set(requests()) == UNARY | STREAMING


@pytest.mark.parametrize("path", sorted(ALL))
def test_types_are_those_of_the_contract(path: str) -> None:
    """Requests are read, and answers written, as the RPC says."""
    method, rpc = ALL[path], RPCS[path]
    assert method.path == path
    assert method.request_type is GetMessageClass(rpc.input_type)
    assert method.response_type is GetMessageClass(rpc.output_type)


@pytest.mark.parametrize("path", sorted(UNARY))
def test_what_takes_a_request_id_goes_through_the_gate(path: str) -> None:
    """And nothing else does: a call that waits long, such as WaitChange, would hold the others up."""
    takes_one = "request_id" in RPCS[path].input_type.fields_by_name
    assert METHODS[path].mutates is (takes_one and path not in LASTING)


@pytest.mark.parametrize("path", sorted(ALL))
def test_permissions_are_named_by_resource_and_verb(path: str) -> None:
    """egress.RESOURCES.VERB, where reading and changing never share a permission."""
    permission = ALL[path].permission
    assert re.fullmatch(r"egress\.[a-zA-Z]+\.[a-z]+", permission)
    reads = path.rpartition("/")[2].startswith(("Get", "List", "Wait", "Watch", "Explain"))
    assert permission.endswith((".get", ".list")) is reads


class _Nobody:
    """Knows everybody and lets nobody."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """By the peer's word."""
        return Principal(metadata["user"] + peer)

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Never."""
        self.asked.append((principal.name, permission, mesh))
        raise PermissionDenied("no")


async def first_answer(pipeline: Pipeline, method: Method | StreamMethod, request: Message) -> Message:
    """The answer, or the first of several."""
    call = RpcCall("grpc", "!", {"user": "mallory"})
    if isinstance(method, Method):
        return await pipeline.unary(method, request, call)
    return await anext(pipeline.stream(method, request, call))


@pytest.mark.parametrize("path", sorted(ALL))
async def test_permission_is_asked_for_every_method(path: str) -> None:
    """With the caller, the method's permission and the mesh of the request; without it nothing is done."""
    nobody, world = _Nobody(), World.of()
    pipeline = Pipeline(world.services, nobody, nobody)
    with pytest.raises(StatusError) as caught:
        await first_answer(pipeline, ALL[path], requests()[path])
    assert caught.value.status.code == Code.PERMISSION_DENIED.value
    assert nobody.asked == [("mallory!", ALL[path].permission, "default")]
    assert world.store.commits == []
