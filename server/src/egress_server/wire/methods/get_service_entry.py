"""GetServiceEntry."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import service_entry_pb2
from egress_server.commands.read import Found, Get, get
from egress_server.domain.names import Kind, expect_name
from egress_server.pipeline import Method
from egress_server.wire.convert.service_entry import write_service_entry


def decode(request: pb.GetServiceEntryRequest) -> Get:
    """The entry asked for."""
    return Get(expect_name("name", request.name, Kind.SERVICE_ENTRY))


def encode(found: Found) -> service_entry_pb2.ServiceEntry:
    """The entry."""
    return write_service_entry(found.resources[0], found.epoch)


METHOD = Method(
    "/egress.v1.EgressService/GetServiceEntry",
    pb.GetServiceEntryRequest,
    service_entry_pb2.ServiceEntry,
    "egress.serviceEntries.get",
    decode,
    get,
    encode,
)
