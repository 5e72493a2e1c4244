"""GetChange."""

from egress.v1 import change_pb2
from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.history import ChangeRef, ChangeState, get_change
from egress_server.contract.changes import write_change
from egress_server.domain.model.names import expect_change
from egress_server.pipeline.pipeline import Method


def decode(request: pb.GetChangeRequest) -> ChangeRef:
    """The change asked for."""
    return ChangeRef(*expect_change("name", request.name))


def encode(state: ChangeState) -> change_pb2.Change:
    """The change with its summary."""
    return write_change(state.change, state.rollouts)


METHOD = Method(
    "/egress.v1.ChangeService/GetChange",
    pb.GetChangeRequest,
    change_pb2.Change,
    "egress.changes.get",
    decode,
    get_change,
    encode,
)
