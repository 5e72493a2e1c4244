"""DeleteServiceEntry."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.names import Kind, expect_name
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.convert.service_entry import write_service_entry
from egress_server.wire.options import delete_mutation


def decode(request: pb.DeleteServiceEntryRequest) -> Mutation:
    """The entry to delete."""
    name = expect_name("name", request.name, Kind.SERVICE_ENTRY)
    return delete_mutation(request, str(name), Problems())


def encode(outcome: Outcome) -> pb.DeleteServiceEntryResponse:
    """The entry as it last was, and the change."""
    return pb.DeleteServiceEntryResponse(
        service_entry=write_service_entry(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.EgressService/DeleteServiceEntry",
    pb.DeleteServiceEntryRequest,
    pb.DeleteServiceEntryResponse,
    "egress.serviceEntries.delete",
    decode,
    mutate,
    encode,
    mutates=True,
)
