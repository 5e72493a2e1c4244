"""UpsertServiceEntry: from fields, or from Istio's own YAML."""

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.domain.changes import ChangeType
from egress_server.domain.errors import InvalidArgument, Violation
from egress_server.domain.names import Kind, Name
from egress_server.domain.resources import ServiceEntry
from egress_server.domain.validate import Problems
from egress_server.formats.istio_yaml import parse_service_entry, yaml_path
from egress_server.formats.strict_yaml import YamlError
from egress_server.pipeline import Method
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.change import write_change
from egress_server.wire.convert.common import read_selector
from egress_server.wire.convert.plan import write_plan
from egress_server.wire.convert.service_entry import read_service_entry, write_service_entry
from egress_server.wire.naming import namespaced_name
from egress_server.wire.options import set_mutation


def decode(request: pb.UpsertServiceEntryRequest) -> Mutation:
    """The entry to set."""
    match request.WhichOneof("source"):
        case "service_entry":
            return _from_fields(request)
        case "istio_yaml":
            return _from_yaml(request)
    problems = Problems()
    problems.at("service_entry").add("set service_entry or istio_yaml")
    problems.raise_if_any()
    raise AssertionError


def _from_fields(request: pb.UpsertServiceEntryRequest) -> Mutation:
    problems = Problems()
    place = problems.at("service_entry")
    if request.HasField("cluster_selector"):
        problems.at("cluster_selector").add("goes with istio_yaml; set service_entry.cluster_selector")
    name = _name(request, request.service_entry.name, None, problems)
    entry = read_service_entry(request.service_entry, str(name), place)
    return set_mutation(request, ChangeType.SET, entry, problems, place)


def _from_yaml(request: pb.UpsertServiceEntryRequest) -> Mutation:
    problems = Problems()
    try:
        parsed = parse_service_entry(request.istio_yaml, problems.at("istio_yaml"))
    except YamlError as error:
        raise InvalidArgument(
            f"istio_yaml: {error}", reason="INVALID_YAML", violations=[Violation("istio_yaml", str(error))]
        ) from error
    problems.raise_if_any()
    assert parsed is not None
    hints = Name("", Kind.SERVICE_ENTRY, parsed.name, parsed.namespace)
    entry = ServiceEntry(
        name=str(_name(request, "", hints, problems)),
        hosts=tuple(host.lower() for host in parsed.hosts),
        ports=parsed.ports,
        resolution=parsed.resolution,
        location=parsed.location,
        endpoints=parsed.endpoints,
        addresses=parsed.addresses,
        export_to=parsed.export_to,
        cluster_selector=read_selector(request.cluster_selector),
    )
    try:
        return set_mutation(request, ChangeType.SET, entry, problems, problems.at("service_entry"))
    except InvalidArgument as error:
        raise _in_yaml_terms(error) from error


def _in_yaml_terms(error: InvalidArgument) -> InvalidArgument:
    """What is wrong with the entry, by the YAML's own paths."""
    problems = Problems()
    for violation in error.violations:
        field = violation.field
        if field.startswith("service_entry.cluster_selector"):
            field = field.removeprefix("service_entry.")
        elif field.startswith("service_entry."):
            field = f"istio_yaml.{yaml_path(field.removeprefix('service_entry.'))}"
        problems.at(field).add(violation.description)
    try:
        problems.raise_if_any()
    except InvalidArgument as translated:
        return translated
    return error


def _name(request: pb.UpsertServiceEntryRequest, own: str, hints: Name | None, problems: Problems) -> Name | None:
    return namespaced_name(
        problems,
        Kind.SERVICE_ENTRY,
        own=("service_entry.name", own),
        parent=request.parent,
        id_field="service_entry_id",
        id_=request.service_entry_id,
        hints=hints,
    )


def encode(outcome: Outcome) -> pb.UpsertServiceEntryResponse:
    """The entry and its change."""
    return pb.UpsertServiceEntryResponse(
        service_entry=write_service_entry(outcome.versioned, outcome.epoch),
        change=write_change(outcome.change) if outcome.change else None,
        findings=[encode_finding(finding) for finding in outcome.findings],
        plan=write_plan(outcome.plan) if outcome.plan else None,
    )


METHOD = Method(
    "/egress.v1.EgressService/UpsertServiceEntry",
    pb.UpsertServiceEntryRequest,
    pb.UpsertServiceEntryResponse,
    "egress.serviceEntries.upsert",
    decode,
    mutate,
    encode,
)
