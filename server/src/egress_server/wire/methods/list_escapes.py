"""ListEscapes."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.observations import ListObservations, ObservationPage, list_escapes
from egress_server.contract.inventory import write_escape
from egress_server.domain.observed.inventory import Escape
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.names import cluster_or_all
from egress_server.wire.grammar.outcome import write_observation

FIELDS = ("cluster", "kind", "object_kind", "namespace", "name")


def decode(request: pb.ListEscapesRequest) -> ListObservations:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListObservations(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: ObservationPage[Escape]) -> pb.ListEscapesResponse:
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
