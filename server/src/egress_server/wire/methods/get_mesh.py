"""GetMesh."""

from egress.v1 import fleet_service_pb2 as pb
from egress.v1 import mesh_pb2
from egress_server.commands.read import Found, Get, get
from egress_server.domain.names import Kind, Name, expect_mesh
from egress_server.pipeline import Method
from egress_server.wire.convert.mesh import write_mesh


def decode(request: pb.GetMeshRequest) -> Get:
    """The mesh asked for."""
    mesh = expect_mesh("name", request.name)
    return Get(Name(mesh, Kind.MESH, mesh))


def encode(found: Found) -> mesh_pb2.Mesh:
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
