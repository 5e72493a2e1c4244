"""Resync."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.clusters import Resync, resync
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.model.status import ClusterStatus
from egress_server.pipeline.pipeline import Method


def decode(request: pb.ResyncRequest) -> Resync:
    """The cluster to look at."""
    return Resync(expect_name("name", request.name, ResourceKind.CLUSTER))


def encode(status: ClusterStatus | None) -> pb.ResyncResponse:
    """What the cluster held."""
    return pb.ResyncResponse(applied_revision=status.applied_revision if status else 0)


METHOD = Method(
    "/egress.v1.FleetService/Resync",
    pb.ResyncRequest,
    pb.ResyncResponse,
    "egress.clusters.resync",
    decode,
    resync,
    encode,
)
