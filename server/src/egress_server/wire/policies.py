"""Outbound policies."""

from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, mutate
from egress_server.contract.policies import read_outbound_policy, write_outbound_policy
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import OutboundPolicy
from egress_server.domain.validate import Problems
from egress_server.wire.grammar.collection import Collection
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import resource_name, scoped_id
from egress_server.wire.grammar.options import set_mutation

_POLICIES = Collection(ResourceKind.OUTBOUND_POLICY, write_outbound_policy)


def _decode_set(request: pb.SetOutboundPolicyRequest) -> Mutation[OutboundPolicy]:
    problems = Problems()
    place = problems.at("outbound_policy")
    policy = read_outbound_policy(request.outbound_policy, "", place)
    name = resource_name(
        problems,
        ResourceKind.OUTBOUND_POLICY,
        own=("outbound_policy.name", request.outbound_policy.name),
        parent=request.parent,
        id_field="outbound_policy_id",
        id_=request.outbound_policy_id,
        default_id=scoped_id(policy),
    )
    return set_mutation(request, ChangeType.SET, replace(policy, name=str(name)), problems, place)


HANDLERS: Handlers = {
    "SetOutboundPolicy": handler(_decode_set, mutate, _POLICIES.outcome(pb.SetOutboundPolicyResponse)),
    "GetOutboundPolicy": _POLICIES.get(),
    "ListOutboundPolicies": _POLICIES.list(
        pb.ListOutboundPoliciesResponse, filters=("name", "mode", "scope.namespace")
    ),
    "DeleteOutboundPolicy": _POLICIES.delete(pb.DeleteOutboundPolicyResponse),
}
