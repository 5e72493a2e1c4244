"""ListPolicyGaps."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.observations import ListObservations, ObservationPage, list_policy_gaps
from egress_server.contract.inventory import write_policy_gap
from egress_server.domain.observed.inventory import PolicyGap
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.names import cluster_or_all
from egress_server.wire.grammar.outcome import write_observation

FIELDS = ("cluster", "kind", "object_kind", "namespace", "name")


def decode(request: pb.ListPolicyGapsRequest) -> ListObservations:
    """The page asked for."""
    mesh, cluster = cluster_or_all(request.parent)
    return ListObservations(mesh, cluster, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: ObservationPage[PolicyGap]) -> pb.ListPolicyGapsResponse:
    """The page."""
    return pb.ListPolicyGapsResponse(
        policy_gaps=[write_policy_gap(page.mesh, cluster, gap) for cluster, gap in page.items],
        next_page_token=page.next_page_token,
        observations=[write_observation(page.mesh, each) for each in page.observed],
    )


METHOD = Method(
    "/egress.v1.FleetService/ListPolicyGaps",
    pb.ListPolicyGapsRequest,
    pb.ListPolicyGapsResponse,
    "egress.policyGaps.list",
    decode,
    list_policy_gaps,
    encode,
)
