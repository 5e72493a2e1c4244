"""The conventions that every message of the contract follows, so that clients can treat all methods alike."""

from importlib.resources import files
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

from egress.v1 import common_pb2
from egress_server.pipeline.method import Method, StreamMethod
from egress_server.wire import METHODS, STREAMS

_COMMON = {
    "request_id": (11, "string"),
    "etag": (12, "string"),
    "create_only": (13, "bool"),
    "validate_only": (14, "bool"),
    "reason": (15, "string"),
    "suppress_findings": (16, "repeated string"),
}
_ANSWERED = {
    "change": (2, "egress.v1.Change"),
    "findings": (3, "repeated egress.v1.Finding"),
    "plan": (4, "egress.v1.Plan"),
}
_LISTED = {
    "parent": (1, "string"),
    "page_size": (2, "int32"),
    "page_token": (3, "string"),
    "filter": (4, "string"),
    "order_by": (5, "string"),
}
_SEEN = "repeated egress.v1.Observation"
_TYPES = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_BOOL: "bool", FieldDescriptor.TYPE_INT32: "int32"}
# None of these changes desired state: Resync only requests a reconcile, Probe a connection.
_READS = ("Get", "List", "Wait", "Watch", "Explain", "Probe", "Resync")


def contract_files() -> list[FileDescriptorProto]:
    """Our own files in the shipped descriptor set."""
    data = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()
    return [file for file in FileDescriptorSet.FromString(data).file if file.package == "egress.v1"]


def grammar(message: type[Message]) -> dict[str, tuple[int, str]]:
    """Number and type of each field."""
    return {field.name: (field.number, _type(field)) for field in message.DESCRIPTOR.fields}


def _type(field: Any) -> str:
    kind = field.message_type.full_name if field.message_type else _TYPES.get(field.type, "other")
    return f"repeated {kind}" if field.is_repeated else kind


def method_of(path: str) -> Method | StreamMethod:
    """The method, whatever its response."""
    return METHODS.get(path) or STREAMS[path]


def paths(*beginnings: str, reads: bool) -> list[str]:
    """Methods whose names start with these verbs, or do not."""
    return sorted(p for p in {**METHODS, **STREAMS} if p.rpartition("/")[2].startswith(beginnings) is reads)


@pytest.mark.parametrize("path", paths(*_READS, reads=False))
def test_mutations_carry_the_same_fields_at_the_same_numbers(path: str) -> None:
    """In requests and in responses; so idempotency, etags and dry runs work alike everywhere."""
    asked = grammar(METHODS[path].request_type)
    assert {name: asked.get(name) for name in _COMMON} == _COMMON
    assert {name: number for name, (number, _) in asked.items() if 11 <= number <= 16}.keys() == _COMMON.keys()
    answered = grammar(METHODS[path].response_type)
    assert {name: answered.get(name) for name in _ANSWERED} == _ANSWERED
    assert next(number for number, _ in answered.values() if number == 1)


@pytest.mark.parametrize("path", paths(*_READS, reads=True))
def test_reads_carry_none_of_them(path: str) -> None:
    """Reads need no idempotency."""
    assert not grammar(method_of(path).request_type).keys() & _COMMON.keys()


@pytest.mark.parametrize("path", paths("List", reads=True))
def test_lists_are_asked_for_alike(path: str) -> None:
    """Parent, page, filter and order have the same numbers; the response has one list and a token."""
    asked = grammar(METHODS[path].request_type)
    assert {name: asked.pop(name, None) for name in _LISTED} == _LISTED
    assert all(number > len(_LISTED) for number, _ in asked.values())
    answered = grammar(METHODS[path].response_type)
    assert answered.pop("next_page_token") == (2, "string")
    answered.pop("revision", None)
    assert answered.pop("observations", (3, _SEEN)) == (3, _SEEN)
    ((number, kind),) = answered.values()
    assert number == 1
    assert kind.startswith("repeated egress.v1.")


def _enums(message: DescriptorProto) -> list[str]:
    own = [enum.value[0].name for enum in message.enum_type if enum.value[0].number == 0]
    return own + [name for nested in message.nested_type for name in _enums(nested)]


def test_zero_of_every_enum_means_not_set() -> None:
    """X_UNSPECIFIED, and every other value has no prefix."""
    zeros = [name for file in contract_files() for message in file.message_type for name in _enums(message)]
    assert zeros
    assert all(name.endswith("_UNSPECIFIED") for name in zeros)
    assert not any(file.enum_type for file in contract_files())
    severity: EnumDescriptor = common_pb2.Finding.Severity.DESCRIPTOR
    assert [value.name for value in severity.values] == ["SEVERITY_UNSPECIFIED", "INFO", "WARNING", "ERROR"]


def test_no_request_hides_what_it_carries() -> None:
    """No Any, no Struct: every field can be validated and documented."""
    fields = [field for file in contract_files() for message in file.message_type for field in message.field]
    assert not [
        field.name for field in fields if field.type_name in {".google.protobuf.Any", ".google.protobuf.Struct"}
    ]


def test_every_rpc_has_a_route() -> None:
    """REST serves everything that gRPC does, streams of responses as events; it has no streams of requests."""
    for file in contract_files():
        for service in file.service:
            for method in service.method:
                routed = method.options.HasExtension(annotations_pb2.http)
                assert routed is not method.client_streaming, method.name
