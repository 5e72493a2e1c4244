"""GetFault, ListFaults, ClearFault."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import fault_pb2
from egress_server.domain.names import Kind
from egress_server.wire.collection import Collection, delete_method, get_method, list_method
from egress_server.wire.convert.fault import write_fault

_FAULTS = Collection(Kind.FAULT, "fault", "faults", write_fault, namespaced=True)

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
