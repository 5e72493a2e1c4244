"""The method table: every RPC of the contract is served, and none without a permission."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

from egress.v1 import options_pb2
from egress_server.domain.model.errors import Code, PermissionDenied
from egress_server.pipeline.method import Method, RpcCall, StreamMethod
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError
from egress_server.ports.identity import Principal
from egress_server.wire import METHODS, STREAMS
from egress_server.wire.grammar.handlers import Handlers
from egress_server.wire.meshes import HANDLERS
from egress_server.wire.table import Table, contract_services, path_of
from tests.support.requests import requests
from tests.unit.commands.fakes import World

RPCS = {path_of(rpc): rpc for service in contract_services() for rpc in service.methods}
UNARY = {path for path, rpc in RPCS.items() if not rpc.client_streaming and not rpc.server_streaming}
STREAMING = {path for path, rpc in RPCS.items() if rpc.server_streaming and not rpc.client_streaming}
ALL: Mapping[str, Method | StreamMethod] = {**METHODS, **STREAMS}
WAITING = {"/egress.v1.FleetService/DeregisterCluster"}
"""Mutations that wait for clusters: with cleanup, until all managed objects are removed."""


def test_services_are_those_of_the_shipped_descriptors() -> None:
    """What is served is what OpenAPI and reflection describe."""
    data = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()
    shipped = [file for file in FileDescriptorSet.FromString(data).file if file.package == "egress.v1"]
    assert set(RPCS) == {
        f"/egress.v1.{service.name}/{rpc.name}"
        for file in shipped
        for service in file.service
        for rpc in service.method
    }


def test_every_rpc_is_served() -> None:
    """By a method or a stream of the table, with a request to test it with."""
    assert (set(METHODS), set(STREAMS)) == (UNARY, STREAMING)
    assert set(requests()) == UNARY | STREAMING


@pytest.mark.parametrize("path", sorted(UNARY))
def test_mutations_are_batched(path: str) -> None:
    """Unless they wait for clusters: then they would delay the others. Reads are never batched."""
    method = METHODS[path]
    assert method.mutates is ("request_id" in RPCS[path].input_type.fields_by_name)
    assert method.batched is (method.mutates and path not in WAITING)


@pytest.mark.parametrize("path", sorted(ALL))
def test_permissions_have_a_resource_and_a_verb(path: str) -> None:
    """egress.RESOURCES.VERB; reads and writes never share a permission."""
    permission = ALL[path].permission
    assert re.fullmatch(r"egress\.[a-zA-Z]+\.[a-z]+", permission)
    reads = path.rpartition("/")[2].startswith(("Get", "List", "Wait", "Watch", "Explain"))
    assert permission.endswith((".get", ".list")) is reads


class Denier:
    """Authenticates everyone and authorizes no one."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, str, str]] = []

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The user in the metadata."""
        return Principal(metadata["user"] + peer)

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Always raises PermissionDenied."""
        self.checked.append((principal.name, permission, mesh))
        raise PermissionDenied("no")


async def first_response(pipeline: Pipeline, method: Method | StreamMethod, request: Message) -> Message:
    """The response, or the first of several."""
    call = RpcCall("grpc", "!", {"user": "mallory"})
    if isinstance(method, Method):
        return await pipeline.unary(method, request, call)
    return await anext(pipeline.stream(method, request, call))


@pytest.mark.parametrize("path", sorted(ALL))
async def test_permission_is_checked_for_every_method(path: str) -> None:
    """With the caller, the permission of the RPC and the mesh of the request. Without it nothing is done."""
    denier, world = Denier(), World.of()
    pipeline = Pipeline(world.services, denier, denier)
    with pytest.raises(StatusError) as caught:
        await first_response(pipeline, ALL[path], requests()[path])
    assert caught.value.status.code == Code.PERMISSION_DENIED.value
    assert denier.checked == [("mallory!", ALL[path].permission, "default")]
    assert world.store.commits == []


def service(name: str, request: str = "GetMeshRequest", permission: str = "a.b.c", **rpc: Any) -> ServiceDescriptor:
    """A service of a made-up contract, with the RPC GetMesh."""
    file = FileDescriptorProto(name=f"test_table_{name}.proto", package=f"test_table_{name}", syntax="proto3")
    file.dependency.extend(["egress/v1/fleet_service.proto", "egress/v1/options.proto"])
    method = file.service.add(name="S").method.add(
        name="GetMesh", input_type=f".egress.v1.{request}", output_type=".egress.v1.Mesh", **rpc
    )
    if permission:
        options: Any = method.options
        options.Extensions[options_pb2.permission] = permission
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    found: ServiceDescriptor = pool.FindServiceByName(f"{file.package}.S")
    return found


GET_MESH: Handlers = {"GetMesh": HANDLERS["GetMesh"]}


def test_an_rpc_and_its_handler_make_a_method() -> None:
    """Path, types and permission are those of the descriptor."""
    table = Table([service("good")], [GET_MESH])
    (method,) = table.methods.values()
    assert (method.path, method.permission) == ("/test_table_good.S/GetMesh", "a.b.c")
    assert method.request_type.DESCRIPTOR.full_name == "egress.v1.GetMeshRequest"
    assert method.response_type.DESCRIPTOR.full_name == "egress.v1.Mesh"


@pytest.mark.parametrize(
    ("built", "handlers", "problem"),
    [
        (service("unguarded", permission=""), [GET_MESH], "S.GetMesh has no egress.v1.permission"),
        (service("unguarded_stream", permission="", client_streaming=True), [], "has no egress.v1.permission"),
        (service("unserved"), [], "S.GetMesh has no handler"),
        (service("streaming", server_streaming=True), [GET_MESH], "S.GetMesh has no stream handler"),
        (service("twice"), [GET_MESH, GET_MESH], "GetMesh has two handlers"),
        (service("unknown"), [{**GET_MESH, "GetMoon": HANDLERS["GetMesh"]}], "handler GetMoon has no RPC"),
    ],
)
def test_what_is_missing_fails_the_start(built: ServiceDescriptor, handlers: list[Handlers], problem: str) -> None:
    """The server does not start with an RPC that has no permission or no handler."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        Table([built], handlers)


def test_all_problems_are_reported_at_once() -> None:
    """So that a new RPC needs one lookup only."""
    with pytest.raises(ValueError, match=r"first\.S\.GetMesh has no egress.*; .*second\.S\.GetMesh has no handler"):
        Table([service("first", permission=""), service("second")], [])
