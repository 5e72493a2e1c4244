"""RestartWorkloads."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.clusters import RestartWorkloads, restart_workloads
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.clusters import write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_workloads
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_decision
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.RestartWorkloadsRequest) -> RestartWorkloads:
    """The workloads to restart."""
    problems = Problems()
    workloads = tuple(request.workloads)
    check_workloads(workloads, problems.at("workloads"))
    return RestartWorkloads(*read_decision(request, ChangeType.RESTART, workloads, problems), workloads)


def encode(outcome: MutationOutcome) -> pb.RestartWorkloadsResponse:
    """The cluster, the change, and which restart it is."""
    cluster = outcome.versioned.resource
    assert isinstance(cluster, Cluster)
    return pb.RestartWorkloadsResponse(
        cluster=write_cluster(outcome.versioned, outcome.epoch),
        restart_id=cluster.orders.restart.id if cluster.orders.restart else "",
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.FleetService/RestartWorkloads",
    pb.RestartWorkloadsRequest,
    pb.RestartWorkloadsResponse,
    "egress.workloads.restart",
    decode,
    restart_workloads,
    encode,
    mutates=True,
)
