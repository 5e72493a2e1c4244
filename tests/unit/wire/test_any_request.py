"""Whatever is sent is a command or a refusal that names a field: decoding never breaks."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egress_server.domain.model.errors import InvalidArgument
from egress_server.pipeline.method import Method, StreamMethod
from egress_server.pipeline.status import MAX_STATUS, status_error
from egress_server.wire import METHODS, STREAMS
from tests.support.requests import CHANGE, CLUSTER, ENTRY, FAULT, INTERCEPTION, MESH, POLICY, requests

ALL: Mapping[str, Method | StreamMethod] = {**METHODS, **STREAMS}
_HEAD = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec: "
_PLAUSIBLE = [
    *("", MESH, POLICY, ENTRY, FAULT, INTERCEPTION, CLUSTER, CHANGE, f"{MESH}/namespaces/-"),
    *("default", "-", "*", ".", "*.a.b", "a.b"),
    *("127.0.0.1", "203.0.113.7", "10.0.0.0/8", "::1", "fe80::1%eth0", "http://a.b/", "https://[::1]:1/", "http://["),
    *("EGR0101", "app", "example.com/app", 'mode = "x"', "name desc", "HEAD", "a\x00b", "ünï", "😀" * 300, "x" * 3000),
    *(_HEAD + "{hosts: [a.b]}", _HEAD + '{"": {}}', _HEAD + "[", _HEAD + "{ports: [{}, 1]}"),
    *("a: &b [*b]", "spec:\nhosts:"),
]
_texts = st.sampled_from(_PLAUSIBLE) | st.text(max_size=20)
_int32 = st.sampled_from([0, 1, -1, 80, 65535, 65536, 2**31 - 1, -(2**31)]) | st.integers(-(2**31), 2**31 - 1)
_int64 = st.sampled_from([0, -1, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
_SCALARS: dict[int, st.SearchStrategy[object]] = {
    FieldDescriptor.TYPE_STRING: _texts,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: _int32,
    FieldDescriptor.TYPE_INT64: _int64,
    FieldDescriptor.TYPE_DOUBLE: st.floats() | st.sampled_from([0.0, 1e-9, 50.0, 100.0, 101.0]),
    FieldDescriptor.TYPE_ENUM: st.sampled_from([0, 1, 2, 3, 99, -1]),
}


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of a type."""
    fields = {field.name: _values(field) for field in kind.DESCRIPTOR.fields}
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: kind(**given))


def _values(field: Any) -> st.SearchStrategy[object]:
    if field.message_type is None:
        one = _SCALARS[field.type]
    elif field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
        return st.dictionaries(_SCALARS[key.type], _SCALARS[value.type], max_size=3)
    else:
        one = messages(GetMessageClass(field.message_type))
    return st.lists(one, max_size=3) if field.is_repeated else one


def refusal(method: Method | StreamMethod, message: Message) -> InvalidArgument | None:
    """The refusal of a request."""
    try:
        assert method.decode(message).mesh
    except InvalidArgument as error:
        return error
    return None


def check(method: Method | StreamMethod, message: Message) -> None:
    """A refusal names at least one field and fits into trailers."""
    if error := refusal(method, message):
        assert error.violations
        assert all(violation.field for violation in error.violations)
        assert status_error(error).status.ByteSize() <= MAX_STATUS


@pytest.mark.parametrize("path", sorted(ALL))
def test_any_message_is_a_command_or_a_refusal(path: str) -> None:
    """Every field with any value, alone and together."""
    method = ALL[path]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(messages(method.request_type))
    def decode(message: Message) -> None:
        check(method, message)

    decode()


@pytest.mark.parametrize("path", sorted(ALL))
def test_a_good_request_with_one_field_of_any_value(path: str) -> None:
    """So that code behind the first check is reached as well."""
    method = ALL[path]
    names = [field.name for field in method.request_type.DESCRIPTOR.fields]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(messages(method.request_type), st.sampled_from(names))
    def decode(message: Message, name: str) -> None:
        whole = requests()[path]
        whole.ClearField(name)
        for other in names:
            if other != name:
                message.ClearField(other)
        whole.MergeFrom(message)
        check(method, whole)

    decode()


@pytest.mark.parametrize("path", sorted(ALL))
def test_any_bytes_are_a_message_or_none(path: str) -> None:
    """The parser rejects what is not a message; what it accepts is decoded or rejected."""
    method = ALL[path]

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=100))
    def decode(data: bytes) -> None:
        try:
            message = method.request_type.FromString(data)
        except DecodeError:
            return
        check(method, message)

    decode()
