"""InjectFault: from fields, or from Istio's own VirtualService."""

import hashlib
from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.common import read_optional_seconds, read_selector
from egress_server.contract.faults import DEFAULT_TTL, read_fault, write_fault
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.validate import Problems, check_resource
from egress_server.formats.virtual_service import parse_fault
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.names import namespaced_name
from egress_server.wire.grammar.options import set_mutation
from egress_server.wire.grammar.outcome import write_outcome
from egress_server.wire.grammar.yaml import in_yaml_terms, read_yaml, refuse_beside_fields

_OF_REQUEST = ("cluster_selector", "ttl")  # what a fault from YAML gets from the request
_MAX_ID = 63


def decode(request: pb.InjectFaultRequest) -> Mutation:
    """The fault to set."""
    match request.WhichOneof("source"):
        case "fault":
            return _from_fields(request)
        case "istio_yaml":
            return _from_yaml(request)
    raise invalid("fault", "set fault or istio_yaml")


def _from_fields(request: pb.InjectFaultRequest) -> Mutation:
    problems = Problems()
    place = problems.at("fault")
    refuse_beside_fields(request, "fault", _OF_REQUEST, problems)
    fault = read_fault(request.fault, "")
    check_resource(fault, place)
    name = _name(request, request.fault.name, None, fault.host, problems)
    return set_mutation(request, ChangeType.SET, replace(fault, name=str(name)), problems, place)


def _from_yaml(request: pb.InjectFaultRequest) -> Mutation:
    problems = Problems()
    parsed = read_yaml(parse_fault, request.istio_yaml, problems)
    ttl = read_optional_seconds(request, "ttl")
    fault = replace(
        parsed.fault,
        ttl=DEFAULT_TTL if ttl is None else ttl,
        cluster_selector=read_selector(request.cluster_selector),
    )
    with in_yaml_terms("fault", _OF_REQUEST, parsed.yaml_path):
        check_resource(fault, problems.at("fault"))
        hints = Name("", ResourceKind.FAULT, parsed.id, parsed.namespace)
        name = _name(request, "", hints, fault.host, problems)
        return set_mutation(request, ChangeType.SET, replace(fault, name=str(name)), problems, problems.at("fault"))


def _name(request: pb.InjectFaultRequest, own: str, hints: Name | None, host: str, problems: Problems) -> Name | None:
    return namespaced_name(
        problems,
        ResourceKind.FAULT,
        own=("fault.name", own),
        parent=request.parent,
        id_field="fault_id",
        id_=request.fault_id,
        hints=hints,
        default_id="default" if problems.any else default_id(host),
    )


def default_id(host: str) -> str:
    """An id made of the host, so that injecting into the same host again replaces the fault."""
    base = host.replace("*", "wildcard").replace(".", "-")
    if len(base) <= _MAX_ID:
        return base
    return f"{base[:54].rstrip('-')}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def encode(outcome: MutationOutcome) -> pb.InjectFaultResponse:
    """The fault and its change."""
    return pb.InjectFaultResponse(fault=write_fault(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.EgressService/InjectFault",
    pb.InjectFaultRequest,
    pb.InjectFaultResponse,
    "egress.faults.inject",
    decode,
    mutate,
    encode,
    mutates=True,
)
