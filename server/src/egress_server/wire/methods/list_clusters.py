"""ListClusters."""

from egress.v1 import cluster_pb2
from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.clusters import FoundClusters, list_clusters
from egress_server.commands.read import ListOf
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.names import ResourceKind, expect_mesh
from egress_server.domain.model.resources import name_of
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing

FIELDS = ("name", "labels.")


def decode(request: pb.ListClustersRequest) -> ListOf:
    """The page asked for."""
    mesh = expect_mesh("parent", request.parent)
    return ListOf(mesh, ResourceKind.CLUSTER, None, read_listing(request, FIELDS))


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


def write_clusters(found: FoundClusters) -> list[cluster_pb2.Cluster]:
    """Registrations with their status."""
    ids = [name_of(versioned.resource).id for versioned in found.found.resources]
    return [
        write_cluster(
            versioned, found.found.epoch, found.statuses.get(id_), found.inventories.get(id_), found.agents[id_]
        )
        for id_, versioned in zip(ids, found.found.resources, strict=True)
    ]
