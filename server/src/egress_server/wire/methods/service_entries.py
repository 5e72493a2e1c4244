"""GetServiceEntry, ListServiceEntries, DeleteServiceEntry."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import service_entry_pb2
from egress_server.contract.entries import write_service_entry
from egress_server.domain.model.names import ResourceKind
from egress_server.wire.grammar.collection import Collection, delete_method, get_method, list_method

_ENTRIES = Collection(
    ResourceKind.SERVICE_ENTRY, "service_entry", "service_entries", write_service_entry, namespaced=True
)

METHODS = (
    get_method(
        _ENTRIES,
        "/egress.v1.EgressService/GetServiceEntry",
        pb.GetServiceEntryRequest,
        service_entry_pb2.ServiceEntry,
    ),
    list_method(
        _ENTRIES,
        "/egress.v1.EgressService/ListServiceEntries",
        pb.ListServiceEntriesRequest,
        pb.ListServiceEntriesResponse,
        filters=("name", "hosts", "resolution", "location"),
    ),
    delete_method(
        _ENTRIES,
        "/egress.v1.EgressService/DeleteServiceEntry",
        pb.DeleteServiceEntryRequest,
        pb.DeleteServiceEntryResponse,
    ),
)
