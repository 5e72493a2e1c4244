"""SetOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.policies import read_outbound_policy, write_outbound_policy
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.outcome import write_outcome
from egress_server.wire.grammar.scoped import scoped_mutation


def decode(request: pb.SetOutboundPolicyRequest) -> Mutation:
    """The policy to set."""
    problems = Problems()
    return scoped_mutation(
        request,
        read_outbound_policy(request.outbound_policy, "", problems.at("outbound_policy")),
        problems,
        kind=ResourceKind.OUTBOUND_POLICY,
        field="outbound_policy",
        own=request.outbound_policy.name,
        id_=request.outbound_policy_id,
    )


def encode(outcome: MutationOutcome) -> pb.SetOutboundPolicyResponse:
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
