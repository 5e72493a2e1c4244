"""SetOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.names import Kind
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.outbound_policy import read_outbound_policy, write_outbound_policy
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.scoped import scoped_mutation


def decode(request: pb.SetOutboundPolicyRequest) -> Mutation:
    """The policy to set."""
    problems = Problems()
    return scoped_mutation(
        request,
        read_outbound_policy(request.outbound_policy, "", problems.at("outbound_policy")),
        problems,
        kind=Kind.OUTBOUND_POLICY,
        field="outbound_policy",
        own=request.outbound_policy.name,
        id_=request.outbound_policy_id,
    )


def encode(outcome: Outcome) -> pb.SetOutboundPolicyResponse:
    """The policy and its change."""
    return pb.SetOutboundPolicyResponse(
        outbound_policy=write_outbound_policy(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.EgressService/SetOutboundPolicy",
    pb.SetOutboundPolicyRequest,
    pb.SetOutboundPolicyResponse,
    "egress.outboundPolicies.set",
    decode,
    mutate,
    encode,
    mutates=True,
)
