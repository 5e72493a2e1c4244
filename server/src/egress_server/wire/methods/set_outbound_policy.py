"""SetOutboundPolicy."""

import hashlib

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.changes import ChangeType
from egress_server.domain.names import Kind
from egress_server.domain.resources import ClusterSelector, OutboundPolicy
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.change import write_change
from egress_server.wire.convert.outbound_policy import read_outbound_policy, write_outbound_policy
from egress_server.wire.convert.plan import write_plan
from egress_server.wire.naming import resource_name
from egress_server.wire.options import set_mutation


def decode(request: pb.SetOutboundPolicyRequest) -> Mutation:
    """The policy to set."""
    problems = Problems()
    place = problems.at("outbound_policy")
    policy = read_outbound_policy(request.outbound_policy, "", place)
    name = resource_name(
        problems,
        Kind.OUTBOUND_POLICY,
        own=("outbound_policy.name", request.outbound_policy.name),
        parent=request.parent,
        id_field="outbound_policy_id",
        id_=request.outbound_policy_id,
        default_id=default_id(policy),
    )
    named = OutboundPolicy(str(name), policy.mode, policy.scope, policy.cluster_selector)
    return set_mutation(request, ChangeType.SET, named, problems, place)


def default_id(policy: OutboundPolicy) -> str:
    """An id made of where the policy holds: setting the same scope and clusters again replaces the same policy."""
    base = policy.scope.namespace or "default"
    if not policy.scope.match_labels and policy.cluster_selector == ClusterSelector():
        return base
    selector = policy.cluster_selector
    where = (policy.scope.key(), sorted(selector.clusters), sorted(selector.match_labels.items()))
    return f"{base}-{hashlib.sha256(repr(where).encode()).hexdigest()[:8]}"


def encode(outcome: Outcome) -> pb.SetOutboundPolicyResponse:
    """The policy and its change."""
    return pb.SetOutboundPolicyResponse(
        outbound_policy=write_outbound_policy(outcome.versioned, outcome.epoch),
        change=write_change(outcome.change) if outcome.change else None,
        findings=[encode_finding(finding) for finding in outcome.findings],
        plan=write_plan(outcome.plan) if outcome.plan else None,
    )


METHOD = Method(
    "/egress.v1.EgressService/SetOutboundPolicy",
    pb.SetOutboundPolicyRequest,
    pb.SetOutboundPolicyResponse,
    "egress.outboundPolicies.set",
    decode,
    mutate,
    encode,
)
