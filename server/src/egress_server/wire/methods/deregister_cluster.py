"""DeregisterCluster."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.deregister import Deregister, deregister
from egress_server.commands.mutate import Outcome
from egress_server.domain.changes import ChangeType
from egress_server.domain.names import Kind, expect_name
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_cluster
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.options import delete_mutation


def decode(request: pb.DeregisterClusterRequest) -> Deregister:
    """The cluster to forget."""
    name = str(expect_name("name", request.name, Kind.CLUSTER))
    return Deregister(delete_mutation(request, name, Problems(), ChangeType.DEREGISTER), request.cleanup)


def encode(outcome: Outcome) -> pb.DeregisterClusterResponse:
    """The registration as it last was, and the change."""
    return pb.DeregisterClusterResponse(
        cluster=write_cluster(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.FleetService/DeregisterCluster",
    pb.DeregisterClusterRequest,
    pb.DeregisterClusterResponse,
    "egress.clusters.deregister",
    decode,
    deregister,
    encode,
)
