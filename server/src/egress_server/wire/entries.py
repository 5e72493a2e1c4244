"""Service entries, from fields or from the YAML of an Istio ServiceEntry."""

from dataclasses import replace

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, mutate
from egress_server.contract.common import read_selector
from egress_server.contract.entries import read_service_entry, write_service_entry
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.validate import Problems
from egress_server.formats.service_entry import parse_service_entry, yaml_path
from egress_server.wire.grammar.collection import Collection
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import namespaced_name
from egress_server.wire.grammar.options import set_mutation
from egress_server.wire.grammar.yaml import in_yaml_terms, read_yaml, refuse_yaml_options

_ENTRIES = Collection(ResourceKind.SERVICE_ENTRY, write_service_entry, namespaced=True)
_YAML_OPTIONS = ("cluster_selector",)  # fields of the request for an entry given as YAML


def _decode_upsert(request: pb.UpsertServiceEntryRequest) -> Mutation[ServiceEntry]:
    match request.WhichOneof("source"):
        case "service_entry":
            return _from_fields(request)
        case "istio_yaml":
            return _from_yaml(request)
    raise invalid("service_entry", "must be set, or istio_yaml instead")


def _from_fields(request: pb.UpsertServiceEntryRequest) -> Mutation[ServiceEntry]:
    problems = Problems()
    place = problems.at("service_entry")
    refuse_yaml_options(request, "service_entry", _YAML_OPTIONS, problems)
    name = _name(request, request.service_entry.name, None, problems)
    entry = read_service_entry(request.service_entry, str(name), place)
    return set_mutation(request, ChangeType.SET, entry, problems, place)


def _from_yaml(request: pb.UpsertServiceEntryRequest) -> Mutation[ServiceEntry]:
    problems = Problems()
    parsed = read_yaml(parse_service_entry, request.istio_yaml, problems)
    hints = Name("", ResourceKind.SERVICE_ENTRY, parsed.id, parsed.namespace)
    name = _name(request, "", hints, problems)
    entry = replace(parsed.entry, name=str(name), cluster_selector=read_selector(request.cluster_selector))
    with in_yaml_terms("service_entry", _YAML_OPTIONS, yaml_path):
        return set_mutation(request, ChangeType.SET, entry, problems, problems.at("service_entry"))


def _name(request: pb.UpsertServiceEntryRequest, own: str, hints: Name | None, problems: Problems) -> Name:
    return namespaced_name(
        problems,
        ResourceKind.SERVICE_ENTRY,
        own=("service_entry.name", own),
        parent=request.parent,
        id_field="service_entry_id",
        id_=request.service_entry_id,
        hints=hints,
    )


HANDLERS: Handlers = {
    "UpsertServiceEntry": handler(_decode_upsert, mutate, _ENTRIES.outcome(pb.UpsertServiceEntryResponse)),
    "GetServiceEntry": _ENTRIES.get(),
    "ListServiceEntries": _ENTRIES.list(
        pb.ListServiceEntriesResponse, filters=("name", "hosts", "resolution", "location")
    ),
    "DeleteServiceEntry": _ENTRIES.delete(pb.DeleteServiceEntryResponse),
}
