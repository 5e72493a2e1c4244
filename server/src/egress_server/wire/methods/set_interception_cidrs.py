"""SetInterceptionCIDRs."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.policies import read_interception, write_interception
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.outcome import write_outcome
from egress_server.wire.grammar.scoped import scoped_mutation


def decode(request: pb.SetInterceptionCIDRsRequest) -> Mutation:
    """The interception to set."""
    problems = Problems()
    return scoped_mutation(
        request,
        read_interception(request.interception, "", problems.at("interception")),
        problems,
        kind=ResourceKind.INTERCEPTION,
        field="interception",
        own=request.interception.name,
        id_=request.interception_id,
    )


def encode(outcome: MutationOutcome) -> pb.SetInterceptionCIDRsResponse:
    """The interception and its change."""
    return pb.SetInterceptionCIDRsResponse(
        interception=write_interception(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.EgressService/SetInterceptionCIDRs",
    pb.SetInterceptionCIDRsRequest,
    pb.SetInterceptionCIDRsResponse,
    "egress.interceptions.set",
    decode,
    mutate,
    encode,
    mutates=True,
)
