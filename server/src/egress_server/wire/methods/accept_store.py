"""AcceptStore."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.held import SayYes, accept_store
from egress_server.commands.mutate import Outcome
from egress_server.domain.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_cluster
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.options import read_decision


def decode(request: pb.AcceptStoreRequest) -> SayYes:
    """What is said yes to."""
    return SayYes(*read_decision(request, ChangeType.ACCEPT, request.token, Problems()), request.token)


def encode(outcome: Outcome) -> pb.AcceptStoreResponse:
    """The cluster and the change."""
    return pb.AcceptStoreResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/AcceptStore",
    pb.AcceptStoreRequest,
    pb.AcceptStoreResponse,
    "egress.clusters.accept",
    decode,
    accept_store,
    encode,
    mutates=True,
)
