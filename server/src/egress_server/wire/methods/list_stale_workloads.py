"""ListStaleWorkloads."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.seen import ListSeen, SeenPage, list_stale_workloads
from egress_server.domain.inventory import StaleWorkload
from egress_server.pipeline import Method
from egress_server.wire.convert.inventory import write_observation, write_stale_workload
from egress_server.wire.listing import read_listing
from egress_server.wire.naming import cluster_or_all

FIELDS = ("cluster", "kind", "namespace", "name")


def decode(request: pb.ListStaleWorkloadsRequest) -> ListSeen:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListSeen(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: SeenPage[StaleWorkload]) -> pb.ListStaleWorkloadsResponse:
    """The page."""
    return pb.ListStaleWorkloadsResponse(
        stale_workloads=[write_stale_workload(page.mesh, cluster, workload) for cluster, workload in page.items],
        next_page_token=page.next_page_token,
        observations=[write_observation(page.mesh, each) for each in page.observed],
    )


METHOD = Method(
    "/egress.v1.FleetService/ListStaleWorkloads",
    pb.ListStaleWorkloadsRequest,
    pb.ListStaleWorkloadsResponse,
    "egress.staleWorkloads.list",
    decode,
    list_stale_workloads,
    encode,
)
