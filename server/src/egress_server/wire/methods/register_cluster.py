"""RegisterCluster."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.registration import register
from egress_server.commands.mutate import Mutation, MutationOutcome
from egress_server.contract.clusters import read_cluster, write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.names import resource_name
from egress_server.wire.grammar.options import set_mutation
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.RegisterClusterRequest) -> Mutation:
    """The registration to set."""
    problems = Problems()
    place = problems.at("cluster")
    name = resource_name(
        problems,
        ResourceKind.CLUSTER,
        own=("cluster.name", request.cluster.name),
        parent=request.parent,
        id_field="cluster_id",
        id_=request.cluster_id,
    )
    cluster = read_cluster(request.cluster, str(name), place)
    return set_mutation(request, ChangeType.REGISTER, cluster, problems, place)


def encode(outcome: MutationOutcome) -> pb.RegisterClusterResponse:
    """The registration and its change."""
    return pb.RegisterClusterResponse(
        cluster=write_cluster(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.FleetService/RegisterCluster",
    pb.RegisterClusterRequest,
    pb.RegisterClusterResponse,
    "egress.clusters.register",
    decode,
    register,
    encode,
    mutates=True,
)
