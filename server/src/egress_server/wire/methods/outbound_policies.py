"""GetOutboundPolicy, ListOutboundPolicies, DeleteOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import outbound_policy_pb2
from egress_server.contract.policies import write_outbound_policy
from egress_server.domain.model.names import ResourceKind
from egress_server.wire.grammar.collection import Collection, delete_method, get_method, list_method

_POLICIES = Collection(ResourceKind.OUTBOUND_POLICY, "outbound_policy", "outbound_policies", write_outbound_policy)

METHODS = (
    get_method(
        _POLICIES,
        "/egress.v1.EgressService/GetOutboundPolicy",
        pb.GetOutboundPolicyRequest,
        outbound_policy_pb2.OutboundPolicy,
    ),
    list_method(
        _POLICIES,
        "/egress.v1.EgressService/ListOutboundPolicies",
        pb.ListOutboundPoliciesRequest,
        pb.ListOutboundPoliciesResponse,
        filters=("name", "mode", "scope.namespace"),
    ),
    delete_method(
        _POLICIES,
        "/egress.v1.EgressService/DeleteOutboundPolicy",
        pb.DeleteOutboundPolicyRequest,
        pb.DeleteOutboundPolicyResponse,
    ),
)
