"""RegisterCluster."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.changes import ChangeType
from egress_server.domain.names import Kind
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.change import write_change
from egress_server.wire.convert.cluster import read_cluster, write_cluster
from egress_server.wire.convert.plan import write_plan
from egress_server.wire.naming import resource_name
from egress_server.wire.options import set_mutation


def decode(request: pb.RegisterClusterRequest) -> Mutation:
    """The registration to set."""
    problems = Problems()
    place = problems.at("cluster")
    name = resource_name(
        problems,
        Kind.CLUSTER,
        own=("cluster.name", request.cluster.name),
        parent=request.parent,
        id_field="cluster_id",
        id_=request.cluster_id,
    )
    cluster = read_cluster(request.cluster, str(name), place)
    return set_mutation(request, ChangeType.REGISTER, cluster, problems, place)


def encode(outcome: Outcome) -> pb.RegisterClusterResponse:
    """The registration and its change."""
    return pb.RegisterClusterResponse(
        cluster=write_cluster(outcome.versioned, outcome.epoch),
        change=write_change(outcome.change) if outcome.change else None,
        findings=[encode_finding(finding) for finding in outcome.findings],
        plan=write_plan(outcome.plan) if outcome.plan else None,
    )


METHOD = Method(
    "/egress.v1.FleetService/RegisterCluster",
    pb.RegisterClusterRequest,
    pb.RegisterClusterResponse,
    "egress.clusters.register",
    decode,
    mutate,
    encode,
)
