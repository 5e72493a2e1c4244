"""Faults, from fields or from the YAML of an Istio VirtualService."""

from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, mutate
from egress_server.contract.common import read_optional_seconds, read_selector
from egress_server.contract.faults import read_fault, write_fault
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.limits import DEFAULT_FAULT_TTL
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.resources import Fault
from egress_server.domain.validate import Problems
from egress_server.formats.virtual_service import parse_fault
from egress_server.wire.grammar.collection import Collection
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import host_id, namespaced_name
from egress_server.wire.grammar.options import set_mutation
from egress_server.wire.grammar.yaml import in_yaml_terms, read_yaml, refuse_yaml_options

_FAULTS = Collection(ResourceKind.FAULT, write_fault, namespaced=True)
_YAML_OPTIONS = ("cluster_selector", "ttl")  # fields of the request for a fault given as YAML


def _decode_inject(request: pb.InjectFaultRequest) -> Mutation[Fault]:
    match request.WhichOneof("source"):
        case "fault":
            return _from_fields(request)
        case "istio_yaml":
            return _from_yaml(request)
    raise invalid("fault", "must be set, or istio_yaml instead")


def _from_fields(request: pb.InjectFaultRequest) -> Mutation[Fault]:
    problems = Problems()
    refuse_yaml_options(request, "fault", _YAML_OPTIONS, problems)
    fault = read_fault(request.fault, "")
    return _mutation(request, fault, request.fault.name, None, problems)


def _from_yaml(request: pb.InjectFaultRequest) -> Mutation[Fault]:
    problems = Problems()
    parsed = read_yaml(parse_fault, request.istio_yaml, problems)
    ttl = read_optional_seconds(request, "ttl")
    fault = replace(
        parsed.fault,
        ttl=DEFAULT_FAULT_TTL if ttl is None else ttl,
        cluster_selector=read_selector(request.cluster_selector),
    )
    hints = Name("", ResourceKind.FAULT, parsed.id, parsed.namespace)
    with in_yaml_terms("fault", _YAML_OPTIONS, parsed.yaml_path):
        return _mutation(request, fault, "", hints, problems)


def _mutation(
    request: pb.InjectFaultRequest, fault: Fault, own: str, hints: Name | None, problems: Problems
) -> Mutation[Fault]:
    name = namespaced_name(
        problems,
        ResourceKind.FAULT,
        own=("fault.name", own),
        parent=request.parent,
        id_field="fault_id",
        id_=request.fault_id,
        hints=hints,
        default_id=host_id(fault.host),
    )
    return set_mutation(request, ChangeType.SET, replace(fault, name=str(name)), problems, problems.at("fault"))


HANDLERS: Handlers = {
    "InjectFault": handler(_decode_inject, mutate, _FAULTS.outcome(pb.InjectFaultResponse)),
    "GetFault": _FAULTS.get(),
    "ListFaults": _FAULTS.list(pb.ListFaultsResponse, filters=("name", "host")),
    "ClearFault": _FAULTS.delete(pb.ClearFaultResponse),
}
