"""ListDrift."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.seen import ListSeen, SeenPage, list_drift
from egress_server.domain.rollout import Drift
from egress_server.pipeline import Method
from egress_server.wire.convert.inventory import write_drift
from egress_server.wire.listing import read_listing
from egress_server.wire.naming import cluster_or_all

FIELDS = ("cluster", "kind", "object_kind", "namespace", "name", "resource", "manager", "healed")


def decode(request: pb.ListDriftRequest) -> ListSeen:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListSeen(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: SeenPage[Drift]) -> pb.ListDriftResponse:
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
