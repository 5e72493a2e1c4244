"""AdoptObject."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import adopting
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_object
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_decision
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.AdoptObjectRequest) -> Mutation:
    """The object that may be changed."""
    problems = Problems()
    check_object(request.object, problems.at("object"))
    name, options = read_decision(request, ChangeType.ADOPT, request.object, problems)
    return Mutation(name, ChangeType.ADOPT, None, options, amend=adopting(request.object))


def encode(outcome: MutationOutcome) -> pb.AdoptObjectResponse:
    """The cluster and the change."""
    return pb.AdoptObjectResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/AdoptObject",
    pb.AdoptObjectRequest,
    pb.AdoptObjectResponse,
    "egress.clusters.adopt",
    decode,
    mutate,
    encode,
    mutates=True,
)
