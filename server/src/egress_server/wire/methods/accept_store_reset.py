"""AcceptStoreReset."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import Approve, accept_store_reset
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_decision
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.AcceptStoreResetRequest) -> Approve:
    """What is said yes to."""
    return Approve(*read_decision(request, ChangeType.ACCEPT, request.token, Problems()), request.token)


def encode(outcome: MutationOutcome) -> pb.AcceptStoreResetResponse:
    """The cluster and the change."""
    cluster = write_cluster(outcome.versioned, outcome.epoch)
    return pb.AcceptStoreResetResponse(cluster=cluster, **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/AcceptStoreReset",
    pb.AcceptStoreResetRequest,
    pb.AcceptStoreResetResponse,
    "egress.clusters.accept",
    decode,
    accept_store_reset,
    encode,
    mutates=True,
)
