"""GetInterception, ListInterceptions, DeleteInterception."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import interception_pb2
from egress_server.contract.policies import write_interception
from egress_server.domain.model.names import ResourceKind
from egress_server.wire.grammar.collection import Collection, delete_method, get_method, list_method

_INTERCEPTIONS = Collection(ResourceKind.INTERCEPTION, "interception", "interceptions", write_interception)

METHODS = (
    get_method(
        _INTERCEPTIONS,
        "/egress.v1.EgressService/GetInterception",
        pb.GetInterceptionRequest,
        interception_pb2.Interception,
    ),
    list_method(
        _INTERCEPTIONS,
        "/egress.v1.EgressService/ListInterceptions",
        pb.ListInterceptionsRequest,
        pb.ListInterceptionsResponse,
        filters=("name", "scope.namespace"),
    ),
    delete_method(
        _INTERCEPTIONS,
        "/egress.v1.EgressService/DeleteInterception",
        pb.DeleteInterceptionRequest,
        pb.DeleteInterceptionResponse,
    ),
)
