"""ApproveHeld."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.held import SayYes, approve_held
from egress_server.commands.mutate import Outcome
from egress_server.domain.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_cluster
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.options import read_decision


def decode(request: pb.ApproveHeldRequest) -> SayYes:
    """What is said yes to."""
    return SayYes(*read_decision(request, ChangeType.APPROVE, request.token, Problems()), request.token)


def encode(outcome: Outcome) -> pb.ApproveHeldResponse:
    """The cluster and the change."""
    return pb.ApproveHeldResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/ApproveHeld",
    pb.ApproveHeldRequest,
    pb.ApproveHeldResponse,
    "egress.clusters.approve",
    decode,
    approve_held,
    encode,
    mutates=True,
)
