"""WaitChange."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.history import ChangeRef, WaitChange, Waited, wait_change
from egress_server.contract.changes import write_change, write_rollout
from egress_server.contract.common import read_seconds
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import expect_change
from egress_server.pipeline.pipeline import Method

DEFAULT_TIMEOUT = 30.0  # seconds
MAX_TIMEOUT = 600.0
MAX_NAMED = 10


def decode(request: pb.WaitChangeRequest) -> WaitChange:
    """What to wait for."""
    change = ChangeRef(*expect_change("name", request.name))
    if request.until not in pb.WaitChangeRequest.Until.values():
        raise invalid("until", f"{request.until} is not known; must be one of APPLIED, VERIFIED")
    timeout = read_seconds(request.timeout) if request.HasField("timeout") else DEFAULT_TIMEOUT
    if not 0 <= timeout <= MAX_TIMEOUT:
        raise invalid("timeout", f"must be 0 to {MAX_TIMEOUT:g} s")
    return WaitChange(change, request.until == pb.WaitChangeRequest.VERIFIED, timeout)


def encode(waited: Waited) -> pb.WaitChangeResponse:
    """How far the change has come."""
    return pb.WaitChangeResponse(
        change=write_change(waited.state.change, waited.state.rollouts),
        reached=waited.reached,
        waiting_for=[write_rollout(rollout) for rollout in waited.behind[:MAX_NAMED]],
    )


METHOD = Method(
    "/egress.v1.ChangeService/WaitChange",
    pb.WaitChangeRequest,
    pb.WaitChangeResponse,
    "egress.changes.get",
    decode,
    wait_change,
    encode,
)
