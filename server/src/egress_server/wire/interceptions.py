"""Interceptions."""

from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, mutate
from egress_server.contract.policies import read_interception, write_interception
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Interception
from egress_server.domain.validate import Problems
from egress_server.wire.grammar.collection import Collection
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import resource_name, scoped_id
from egress_server.wire.grammar.options import set_mutation

_INTERCEPTIONS = Collection(ResourceKind.INTERCEPTION, write_interception)


def _decode_set(request: pb.SetInterceptionCIDRsRequest) -> Mutation[Interception]:
    problems = Problems()
    place = problems.at("interception")
    interception = read_interception(request.interception, "", place)
    name = resource_name(
        problems,
        ResourceKind.INTERCEPTION,
        own=("interception.name", request.interception.name),
        parent=request.parent,
        id_field="interception_id",
        id_=request.interception_id,
        default_id=scoped_id(interception),
    )
    return set_mutation(request, ChangeType.SET, replace(interception, name=str(name)), problems, place)


HANDLERS: Handlers = {
    "SetInterceptionCIDRs": handler(_decode_set, mutate, _INTERCEPTIONS.outcome(pb.SetInterceptionCIDRsResponse)),
    "GetInterception": _INTERCEPTIONS.get(),
    "ListInterceptions": _INTERCEPTIONS.list(pb.ListInterceptionsResponse, filters=("name", "scope.namespace")),
    "DeleteInterception": _INTERCEPTIONS.delete(pb.DeleteInterceptionResponse),
}
