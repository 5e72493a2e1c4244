"""DeleteOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.names import Kind, expect_name
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.outbound_policy import write_outbound_policy
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.options import delete_mutation


def decode(request: pb.DeleteOutboundPolicyRequest) -> Mutation:
    """The policy to delete."""
    name = expect_name("name", request.name, Kind.OUTBOUND_POLICY)
    return delete_mutation(request, str(name), Problems())


def encode(outcome: Outcome) -> pb.DeleteOutboundPolicyResponse:
    """The policy as it last was, and the change."""
    return pb.DeleteOutboundPolicyResponse(
        outbound_policy=write_outbound_policy(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.EgressService/DeleteOutboundPolicy",
    pb.DeleteOutboundPolicyRequest,
    pb.DeleteOutboundPolicyResponse,
    "egress.outboundPolicies.delete",
    decode,
    mutate,
    encode,
    mutates=True,
)
