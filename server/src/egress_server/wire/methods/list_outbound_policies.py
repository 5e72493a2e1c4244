"""ListOutboundPolicies."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.read import Found, ListOf, list_resources
from egress_server.domain.names import Kind, expect_mesh
from egress_server.pipeline import Method
from egress_server.wire.convert.outbound_policy import write_outbound_policy
from egress_server.wire.listing import read_listing

FIELDS = ("name", "mode", "scope.namespace")


def decode(request: pb.ListOutboundPoliciesRequest) -> ListOf:
    """The page asked for."""
    mesh = expect_mesh("parent", request.parent)
    return ListOf(mesh, Kind.OUTBOUND_POLICY, None, read_listing(request, FIELDS))


def encode(found: Found) -> pb.ListOutboundPoliciesResponse:
    """The page."""
    return pb.ListOutboundPoliciesResponse(
        outbound_policies=[write_outbound_policy(versioned, found.epoch) for versioned in found.resources],
        next_page_token=found.next_page_token,
    )


METHOD = Method(
    "/egress.v1.EgressService/ListOutboundPolicies",
    pb.ListOutboundPoliciesRequest,
    pb.ListOutboundPoliciesResponse,
    "egress.outboundPolicies.list",
    decode,
    list_resources,
    encode,
)
