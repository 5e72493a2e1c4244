"""ListServiceEntries: of one namespace, or of all with `-`."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.read import Found, ListOf, list_resources
from egress_server.domain.names import Kind, expect_namespace
from egress_server.pipeline import Method
from egress_server.wire.convert.service_entry import write_service_entry
from egress_server.wire.listing import read_listing

FIELDS = ("name", "hosts", "resolution", "location")


def decode(request: pb.ListServiceEntriesRequest) -> ListOf:
    """The page asked for."""
    mesh, namespace = expect_namespace("parent", request.parent, wildcard=True)
    listing = read_listing(request, FIELDS)
    return ListOf(mesh, Kind.SERVICE_ENTRY, None if namespace == "-" else namespace, listing)


def encode(found: Found) -> pb.ListServiceEntriesResponse:
    """The page."""
    return pb.ListServiceEntriesResponse(
        service_entries=[write_service_entry(versioned, found.epoch) for versioned in found.resources],
        next_page_token=found.next_page_token,
    )


METHOD = Method(
    "/egress.v1.EgressService/ListServiceEntries",
    pb.ListServiceEntriesRequest,
    pb.ListServiceEntriesResponse,
    "egress.serviceEntries.list",
    decode,
    list_resources,
    encode,
)
