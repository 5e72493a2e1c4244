"""WatchChanges."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.watch import WatchChanges, WatchEvent, parse_cursor, watch_changes
from egress_server.contract.changes import write_change, write_rollout
from egress_server.domain.model.names import expect_mesh
from egress_server.pipeline.pipeline import StreamMethod


def decode(request: pb.WatchChangesRequest) -> WatchChanges:
    """From where to watch."""
    mesh = expect_mesh("parent", request.parent)
    cursor = parse_cursor(request.cursor) if request.cursor else None
    return WatchChanges(mesh, cursor, request.include_rollouts)


def encode(event: WatchEvent) -> pb.WatchChangesResponse:
    """One event."""
    return pb.WatchChangesResponse(
        cursor=str(event.cursor),
        change=write_change(event.change) if event.change else None,
        rollout=write_rollout(event.rollout) if event.rollout else None,
    )


METHOD = StreamMethod(
    "/egress.v1.ChangeService/WatchChanges",
    pb.WatchChangesRequest,
    pb.WatchChangesResponse,
    "egress.changes.list",
    decode,
    watch_changes,
    encode,
)
