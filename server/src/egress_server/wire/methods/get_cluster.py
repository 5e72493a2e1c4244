"""GetCluster."""

from egress.v1 import cluster_pb2
from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters import FoundClusters, get_cluster
from egress_server.commands.read import Get
from egress_server.domain.names import Kind, expect_name
from egress_server.pipeline import Method
from egress_server.wire.convert.cluster import write_clusters


def decode(request: pb.GetClusterRequest) -> Get:
    """The cluster asked for."""
    return Get(expect_name("name", request.name, Kind.CLUSTER))


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
