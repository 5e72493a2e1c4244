"""RevertChange."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.revert import RevertChange, revert_change
from egress_server.commands.mutate import MutationOutcome
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import expect_change
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_options
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.RevertChangeRequest) -> RevertChange:
    """The change to take back."""
    mesh, revision = expect_change("name", request.name)
    problems = Problems()
    if request.create_only:
        problems.at("create_only").add("makes no sense here: what is brought back is known by its change")
    return RevertChange(mesh, revision, read_options(request, ChangeType.REVERT, request.name, None, problems))


def encode(outcome: MutationOutcome) -> pb.RevertChangeResponse:
    """The resource's name and the change."""
    return pb.RevertChangeResponse(resource=outcome.versioned.resource.name, **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.ChangeService/RevertChange",
    pb.RevertChangeRequest,
    pb.RevertChangeResponse,
    "egress.changes.revert",
    decode,
    revert_change,
    encode,
    mutates=True,
)
