"""ListChanges."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.history import ChangePage, ListChanges, list_changes
from egress_server.contract.changes import write_change
from egress_server.domain.model.names import expect_mesh
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing

FIELDS = ("resource", "type", "actor", "request_id")


def decode(request: pb.ListChangesRequest) -> ListChanges:
    """The page asked for."""
    mesh = expect_mesh("parent", request.parent)
    return ListChanges(mesh, read_listing(request, FIELDS, key_field="revision", descends=True))


def encode(page: ChangePage) -> pb.ListChangesResponse:
    """The page."""
    return pb.ListChangesResponse(
        changes=[write_change(change) for change in page.changes], next_page_token=page.next_page_token
    )


METHOD = Method(
    "/egress.v1.ChangeService/ListChanges",
    pb.ListChangesRequest,
    pb.ListChangesResponse,
    "egress.changes.list",
    decode,
    list_changes,
    encode,
)
