"""DeregisterCluster."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.registration import Deregister, deregister
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import delete_mutation
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.DeregisterClusterRequest) -> Deregister:
    """The cluster to forget."""
    name = str(expect_name("name", request.name, ResourceKind.CLUSTER))
    return Deregister(delete_mutation(request, name, Problems(), ChangeType.DEREGISTER), request.cleanup)


def encode(outcome: MutationOutcome) -> pb.DeregisterClusterResponse:
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
