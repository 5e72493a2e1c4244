"""SetOutboundPolicy."""

import hashlib
from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.changes import ChangeType
from egress_server.domain.names import Kind
from egress_server.domain.resources import ClusterSelector, OutboundPolicy, Scope
from egress_server.domain.validate import Problems, check_resource
from egress_server.pipeline import Method
from egress_server.wire.convert.outbound_policy import read_outbound_policy, write_outbound_policy
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.naming import resource_name
from egress_server.wire.options import set_mutation

_MAX_BASE = 63 - len("-12345678")  # an id is a label


def decode(request: pb.SetOutboundPolicyRequest) -> Mutation:
    """The policy to set."""
    problems = Problems()
    place = problems.at("outbound_policy")
    policy = read_outbound_policy(request.outbound_policy, "", place)
    check_resource(policy, place)
    name = resource_name(
        problems,
        Kind.OUTBOUND_POLICY,
        own=("outbound_policy.name", request.outbound_policy.name),
        parent=request.parent,
        id_field="outbound_policy_id",
        id_=request.outbound_policy_id,
        default_id="default" if problems.any else default_id(policy),
    )
    return set_mutation(request, ChangeType.SET, replace(policy, name=str(name)), problems, place)


def default_id(policy: OutboundPolicy) -> str:
    """An id made of where the policy holds: setting the same scope and clusters again replaces the same policy."""
    scope, selector = policy.scope, policy.cluster_selector
    if scope == Scope() and selector == ClusterSelector():
        return "default"
    where = (scope.key(), sorted(selector.clusters), sorted(selector.match_labels.items()))
    digest = hashlib.sha256(repr(where).encode()).hexdigest()[:8]
    return f"{(scope.namespace or 'default')[:_MAX_BASE]}-{digest}"


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
