"""ListClusters."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters import FoundClusters, list_clusters
from egress_server.commands.read import ListOf
from egress_server.domain.names import Kind, expect_mesh
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_clusters
from egress_server.wire.listing import read_listing

FIELDS = ("name", "labels.")


def decode(request: pb.ListClustersRequest) -> ListOf:
    """The page asked for."""
    mesh = expect_mesh("parent", request.parent)
    return ListOf(mesh, Kind.CLUSTER, None, read_listing(request, FIELDS))


def encode(found: FoundClusters) -> pb.ListClustersResponse:
    """The page."""
    return pb.ListClustersResponse(clusters=write_clusters(found), next_page_token=found.found.next_page_token)


METHOD = Method(
    "/egress.v1.FleetService/ListClusters",
    pb.ListClustersRequest,
    pb.ListClustersResponse,
    "egress.clusters.list",
    decode,
    list_clusters,
    encode,
)
