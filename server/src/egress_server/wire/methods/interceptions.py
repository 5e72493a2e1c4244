"""GetInterception, ListInterceptions, DeleteInterception."""

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import interception_pb2
from egress_server.domain.names import Kind
from egress_server.wire.collection import Collection, delete_method, get_method, list_method
from egress_server.wire.convert.interception import write_interception

_INTERCEPTIONS = Collection(Kind.INTERCEPTION, "interception", "interceptions", write_interception)

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
