"""GetCluster."""

from egress.v1 import cluster_pb2
from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.clusters import FoundClusters, get_cluster
from egress_server.commands.read import Get
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.pipeline.pipeline import Method
from egress_server.wire.methods.list_clusters import write_clusters


def decode(request: pb.GetClusterRequest) -> Get:
    """The cluster asked for."""
    return Get(expect_name("name", request.name, ResourceKind.CLUSTER))


def encode(found: FoundClusters) -> cluster_pb2.Cluster:
    """The cluster."""
    return write_clusters(found)[0]


METHOD = Method(
    "/egress.v1.FleetService/GetCluster",
    pb.GetClusterRequest,
    cluster_pb2.Cluster,
    "egress.clusters.get",
    decode,
    get_cluster,
    encode,
)
