"""UpsertServiceEntry: from fields, or from Istio's own YAML."""

from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.common import read_selector
from egress_server.contract.entries import read_service_entry, write_service_entry
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.validate import Problems
from egress_server.formats.service_entry import parse_service_entry, yaml_path
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.names import namespaced_name
from egress_server.wire.grammar.options import set_mutation
from egress_server.wire.grammar.outcome import write_outcome
from egress_server.wire.grammar.yaml import in_yaml_terms, read_yaml, refuse_beside_fields

_OF_REQUEST = ("cluster_selector",)  # what an entry from YAML gets from the request


def decode(request: pb.UpsertServiceEntryRequest) -> Mutation:
    """The entry to set."""
    match request.WhichOneof("source"):
        case "service_entry":
            return _from_fields(request)
        case "istio_yaml":
            return _from_yaml(request)
    raise invalid("service_entry", "set service_entry or istio_yaml")


def _from_fields(request: pb.UpsertServiceEntryRequest) -> Mutation:
    problems = Problems()
    place = problems.at("service_entry")
    refuse_beside_fields(request, "service_entry", _OF_REQUEST, problems)
    name = _name(request, request.service_entry.name, None, problems)
    entry = read_service_entry(request.service_entry, str(name), place)
    return set_mutation(request, ChangeType.SET, entry, problems, place)


def _from_yaml(request: pb.UpsertServiceEntryRequest) -> Mutation:
    problems = Problems()
    parsed = read_yaml(parse_service_entry, request.istio_yaml, problems)
    hints = Name("", ResourceKind.SERVICE_ENTRY, parsed.id, parsed.namespace)
    name = str(_name(request, "", hints, problems))
    entry = replace(parsed.entry, name=name, cluster_selector=read_selector(request.cluster_selector))
    with in_yaml_terms("service_entry", _OF_REQUEST, yaml_path):
        return set_mutation(request, ChangeType.SET, entry, problems, problems.at("service_entry"))


def _name(request: pb.UpsertServiceEntryRequest, own: str, hints: Name | None, problems: Problems) -> Name | None:
    return namespaced_name(
        problems,
        ResourceKind.SERVICE_ENTRY,
        own=("service_entry.name", own),
        parent=request.parent,
        id_field="service_entry_id",
        id_=request.service_entry_id,
        hints=hints,
    )


def encode(outcome: MutationOutcome) -> pb.UpsertServiceEntryResponse:
    """The entry and its change."""
    return pb.UpsertServiceEntryResponse(
        service_entry=write_service_entry(outcome.versioned, outcome.epoch),
        **write_outcome(outcome),
    )


METHOD = Method(
    "/egress.v1.EgressService/UpsertServiceEntry",
    pb.UpsertServiceEntryRequest,
    pb.UpsertServiceEntryResponse,
    "egress.serviceEntries.upsert",
    decode,
    mutate,
    encode,
    mutates=True,
)
