"""RollbackChange."""

from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.revert import RollbackChange, rollback_change
from egress_server.commands.mutate import MutationOutcome
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import expect_change
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import read_options
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.RollbackChangeRequest) -> RollbackChange:
    """The change to take back."""
    mesh, revision = expect_change("name", request.name)
    problems = Problems()
    if request.must_not_exist:
        problems.at("must_not_exist").add("makes no sense here: what is brought back is known by its change")
    return RollbackChange(mesh, revision, read_options(request, ChangeType.ROLLBACK, request.name, None, problems))


def encode(outcome: MutationOutcome) -> pb.RollbackChangeResponse:
    """The resource's name and the change."""
    return pb.RollbackChangeResponse(resource=outcome.versioned.resource.name, **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.ChangeService/RollbackChange",
    pb.RollbackChangeRequest,
    pb.RollbackChangeResponse,
    "egress.changes.rollback",
    decode,
    rollback_change,
    encode,
    mutates=True,
)
