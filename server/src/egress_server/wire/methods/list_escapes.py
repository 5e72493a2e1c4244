"""ListEscapes."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.seen import ListSeen, SeenPage, list_escapes
from egress_server.domain.inventory import Escape
from egress_server.pipeline import Method
from egress_server.wire.convert.inventory import write_escape, write_observation
from egress_server.wire.listing import read_listing
from egress_server.wire.naming import cluster_or_all

FIELDS = ("cluster", "kind", "object_kind", "namespace", "name")


def decode(request: pb.ListEscapesRequest) -> ListSeen:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListSeen(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: SeenPage[Escape]) -> pb.ListEscapesResponse:
    """The page."""
    return pb.ListEscapesResponse(
        escapes=[write_escape(page.mesh, cluster, escape) for cluster, escape in page.items],
        next_page_token=page.next_page_token,
        observations=[write_observation(page.mesh, each) for each in page.observed],
    )


METHOD = Method(
    "/egress.v1.FleetService/ListEscapes",
    pb.ListEscapesRequest,
    pb.ListEscapesResponse,
    "egress.escapes.list",
    decode,
    list_escapes,
    encode,
)
