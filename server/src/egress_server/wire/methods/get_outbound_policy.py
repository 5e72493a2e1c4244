"""GetOutboundPolicy."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import outbound_policy_pb2
from egress_server.commands.read import Found, Get, get
from egress_server.domain.names import Kind, expect_name
from egress_server.pipeline import Method
from egress_server.wire.convert.outbound_policy import write_outbound_policy


def decode(request: pb.GetOutboundPolicyRequest) -> Get:
    """The policy asked for."""
    return Get(expect_name("name", request.name, Kind.OUTBOUND_POLICY))


def encode(found: Found) -> outbound_policy_pb2.OutboundPolicy:
    """The policy."""
    return write_outbound_policy(found.resources[0], found.epoch)


METHOD = Method(
    "/egress.v1.EgressService/GetOutboundPolicy",
    pb.GetOutboundPolicyRequest,
    outbound_policy_pb2.OutboundPolicy,
    "egress.outboundPolicies.get",
    decode,
    get,
    encode,
)
