"""ReleaseObject."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.adoption import releasing
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.domain.validate.references import check_object
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_cluster
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.options import read_decision


def decode(request: pb.ReleaseObjectRequest) -> Mutation:
    """The object that may be changed no more."""
    problems = Problems()
    check_object(request.object, problems.at("object"))
    name, options = read_decision(request, ChangeType.RELEASE, request.object, problems)
    return Mutation(name, ChangeType.RELEASE, None, options, amend=releasing(request.object))


def encode(outcome: Outcome) -> pb.ReleaseObjectResponse:
    """The cluster and the change."""
    return pb.ReleaseObjectResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/ReleaseObject",
    pb.ReleaseObjectRequest,
    pb.ReleaseObjectResponse,
    "egress.clusters.release",
    decode,
    mutate,
    encode,
    mutates=True,
)
