"""ListDrift."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.observations import ListObservations, ObservationPage, list_drift
from egress_server.contract.inventory import write_drift
from egress_server.domain.model.status import Drift
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.names import cluster_or_all

FIELDS = ("cluster", "kind", "object_kind", "namespace", "name", "resource", "manager", "healed")


def decode(request: pb.ListDriftRequest) -> ListObservations:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListObservations(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: ObservationPage[Drift]) -> pb.ListDriftResponse:
    """The page."""
    return pb.ListDriftResponse(
        drifted_objects=[write_drift(page.mesh, cluster, drift) for cluster, drift in page.items],
        next_page_token=page.next_page_token,
    )


METHOD = Method(
    "/egress.v1.FleetService/ListDrift",
    pb.ListDriftRequest,
    pb.ListDriftResponse,
    "egress.drift.list",
    decode,
    list_drift,
    encode,
)
