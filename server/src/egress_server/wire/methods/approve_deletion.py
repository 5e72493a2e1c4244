"""ApproveDeletion."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import Approve, approve_deletion
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_decision
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.ApproveDeletionRequest) -> Approve:
    """What is said yes to."""
    return Approve(*read_decision(request, ChangeType.APPROVE, request.token, Problems()), request.token)


def encode(outcome: MutationOutcome) -> pb.ApproveDeletionResponse:
    """The cluster and the change."""
    return pb.ApproveDeletionResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/ApproveDeletion",
    pb.ApproveDeletionRequest,
    pb.ApproveDeletionResponse,
    "egress.clusters.approve",
    decode,
    approve_deletion,
    encode,
    mutates=True,
)
