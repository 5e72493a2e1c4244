"""GetOutboundPolicy, ListOutboundPolicies, DeleteOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import outbound_policy_pb2
from egress_server.domain.names import Kind
from egress_server.wire.collection import Collection, delete_method, get_method, list_method
from egress_server.wire.convert.outbound_policy import write_outbound_policy

_POLICIES = Collection(Kind.OUTBOUND_POLICY, "outbound_policy", "outbound_policies", write_outbound_policy)

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
