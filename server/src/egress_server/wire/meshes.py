"""Meshes."""

from dataclasses import replace

from egress.v1 import fleet_service_pb2 as pb
from egress.v1 import mesh_pb2
from egress_server.commands.mutate import Mutation, mutate
from egress_server.commands.read import Get, ReadResult, get
from egress_server.contract.policies import read_mesh, write_mesh
from egress_server.domain.model.clusters import Mesh
from egress_server.domain.model.names import Name, ResourceKind, expect_mesh
from egress_server.domain.validate import Problems
from egress_server.wire.grammar.collection import Collection
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.options import update_mutation

_MESHES = Collection(ResourceKind.MESH, write_mesh)


def _decode_get(request: pb.GetMeshRequest) -> Get:
    mesh = expect_mesh("name", request.name)
    return Get(Name(mesh, ResourceKind.MESH, mesh))


def _encode_get(found: ReadResult) -> mesh_pb2.Mesh:
    return write_mesh(found.resources[0], found.epoch)


def _decode_update(request: pb.UpdateMeshRequest) -> Mutation[Mesh]:
    expect_mesh("mesh.name", request.mesh.name)
    problems = Problems()
    place = problems.at("mesh")
    mesh = read_mesh(request.mesh, request.mesh.name, place)
    keeps_drift_policy = not request.mesh.drift_policy

    def amend(before: Mesh) -> Mesh:
        return replace(mesh, drift_policy=before.drift_policy) if keeps_drift_policy else mesh

    return update_mutation(request, mesh, problems, place, amend)


HANDLERS: Handlers = {
    "GetMesh": handler(_decode_get, get, _encode_get),
    "UpdateMesh": handler(_decode_update, mutate, _MESHES.outcome(pb.UpdateMeshResponse)),
}
