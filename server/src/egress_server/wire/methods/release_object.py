"""ReleaseObject."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import releasing
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_object
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_decision
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.ReleaseObjectRequest) -> Mutation:
    """The object that may be changed no more."""
    problems = Problems()
    check_object(request.object, problems.at("object"))
    name, options = read_decision(request, ChangeType.RELEASE, request.object, problems)
    return Mutation(name, ChangeType.RELEASE, None, options, amend=releasing(request.object))


def encode(outcome: MutationOutcome) -> pb.ReleaseObjectResponse:
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
