"""UpdateMesh."""

from dataclasses import replace

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.policies import read_mesh, write_mesh
from egress_server.domain.model.clusters import Mesh
from egress_server.domain.model.names import expect_mesh
from egress_server.domain.model.resources import Resource
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import update_mutation
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.UpdateMeshRequest) -> Mutation:
    """The mesh with what it is to have."""
    expect_mesh("mesh.name", request.mesh.name)
    problems = Problems()
    place = problems.at("mesh")
    mesh = read_mesh(request.mesh, request.mesh.name, place)
    keeps_drift_policy = not request.mesh.drift_policy

    def amend(before: Resource) -> Mesh:
        assert isinstance(before, Mesh)
        return replace(mesh, drift_policy=before.drift_policy) if keeps_drift_policy else mesh

    return update_mutation(request, mesh, problems, place, amend)


def encode(outcome: MutationOutcome) -> pb.UpdateMeshResponse:
    """The mesh and its change."""
    return pb.UpdateMeshResponse(mesh=write_mesh(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/UpdateMesh",
    pb.UpdateMeshRequest,
    pb.UpdateMeshResponse,
    "egress.meshes.update",
    decode,
    mutate,
    encode,
    mutates=True,
)
