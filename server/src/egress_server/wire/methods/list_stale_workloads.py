"""ListStaleWorkloads."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.observations import ListObservations, ObservationPage, list_stale_workloads
from egress_server.contract.inventory import write_stale_workload
from egress_server.domain.observed.inventory import StaleWorkload
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.names import cluster_or_all
from egress_server.wire.grammar.outcome import write_observation

FIELDS = ("cluster", "kind", "namespace", "name")


def decode(request: pb.ListStaleWorkloadsRequest) -> ListObservations:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListObservations(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: ObservationPage[StaleWorkload]) -> pb.ListStaleWorkloadsResponse:
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
