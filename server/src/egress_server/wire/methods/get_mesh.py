"""GetMesh."""

from egress.v1 import fleet_service_pb2 as pb
from egress.v1 import mesh_pb2
from egress_server.commands.read import Get, ReadResult, get
from egress_server.contract.policies import write_mesh
from egress_server.domain.model.names import Name, ResourceKind, expect_mesh
from egress_server.pipeline.pipeline import Method


def decode(request: pb.GetMeshRequest) -> Get:
    """The mesh asked for."""
    mesh = expect_mesh("name", request.name)
    return Get(Name(mesh, ResourceKind.MESH, mesh))


def encode(found: ReadResult) -> mesh_pb2.Mesh:
    """The mesh."""
    return write_mesh(found.resources[0], found.epoch)


METHOD = Method(
    "/egress.v1.FleetService/GetMesh",
    pb.GetMeshRequest,
    mesh_pb2.Mesh,
    "egress.meshes.get",
    decode,
    get,
    encode,
)
