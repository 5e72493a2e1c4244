"""GetFault, ListFaults, ClearFault."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import fault_pb2
from egress_server.contract.faults import write_fault
from egress_server.domain.model.names import ResourceKind
from egress_server.wire.grammar.collection import Collection, delete_method, get_method, list_method

_FAULTS = Collection(ResourceKind.FAULT, "fault", "faults", write_fault, namespaced=True)

METHODS = (
    get_method(
        _FAULTS,
        "/egress.v1.EgressService/GetFault",
        pb.GetFaultRequest,
        fault_pb2.Fault,
    ),
    list_method(
        _FAULTS,
        "/egress.v1.EgressService/ListFaults",
        pb.ListFaultsRequest,
        pb.ListFaultsResponse,
        filters=("name", "host"),
    ),
    delete_method(
        _FAULTS,
        "/egress.v1.EgressService/ClearFault",
        pb.ClearFaultRequest,
        pb.ClearFaultResponse,
    ),
)
