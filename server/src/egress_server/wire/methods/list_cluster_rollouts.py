"""ListClusterRollouts."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.history import ChangeRef, ListRollouts, RolloutPage, list_rollouts
from egress_server.contract.changes import write_rollout
from egress_server.domain.model.names import expect_change
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.collection import read_listing

FIELDS = ("cluster", "state")


def decode(request: pb.ListClusterRolloutsRequest) -> ListRollouts:
    """The page asked for."""
    change = ChangeRef(*expect_change("parent", request.parent))
    return ListRollouts(change, read_listing(request, FIELDS, key_field="cluster"))


def encode(page: RolloutPage) -> pb.ListClusterRolloutsResponse:
    """The page."""
    return pb.ListClusterRolloutsResponse(
        cluster_rollouts=[write_rollout(rollout) for rollout in page.rollouts],
        next_page_token=page.next_page_token,
    )


METHOD = Method(
    "/egress.v1.ChangeService/ListClusterRollouts",
    pb.ListClusterRolloutsRequest,
    pb.ListClusterRolloutsResponse,
    "egress.changes.get",
    decode,
    list_rollouts,
    encode,
)
