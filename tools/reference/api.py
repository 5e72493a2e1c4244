"""The pages of the API: RPCs, REST endpoints and messages, from the descriptors and the comments in the contract."""

import re
from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from egress_server.gateway.openapi.comments import comments_of
from egress_server.gateway.openapi.schemas import behavior
from egress_server.gateway.transcoder.routes import Binding, bindings_of
from egress_server.wire.grammar.options import has_mutation_options
from egress_server.wire.table import contract_services, permission
from tools.gen import DESCRIPTORS, ROOT
from tools.reference.markdown import code, table

_COMMENTS = comments_of((ROOT / DESCRIPTORS).read_bytes())
_PACKAGE = "egress.v1."
_SCALARS = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_") and name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
_NOTES = {
    field_behavior_pb2.OUTPUT_ONLY: "output only",
    field_behavior_pb2.INPUT_ONLY: "input only",
    field_behavior_pb2.IMMUTABLE: "immutable",
    field_behavior_pb2.IDENTIFIER: "identifier",
}


def rpcs_page() -> str:
    """Every RPC, by service."""
    parts = [
        "# RPCs",
        "gRPC, package `egress.v1`. Server reflection and the standard health service are available. "
        "Each RPC needs the permission that is shown. Fields are described in [Messages](messages.md).",
    ]
    for service in _services():
        parts += [f"## {service.name}", _comment(service.full_name)]
        for rpc in service.methods:
            parts += [f"### {rpc.name}", _comment(rpc.full_name), table(("", ""), _facts(rpc))]
    return "\n\n".join(parts)


def rest_page() -> str:
    """Every REST endpoint, by service."""
    parts = [
        "# REST endpoints",
        "A running server has the OpenAPI document at `/openapi.json` and a page to try it at `/docs`. "
        "Conventions are described in [REST](../rest.md), fields in [Messages](messages.md).",
    ]
    for service in _services():
        bindings = bindings_of(rpc for rpc in service.methods if not rpc.client_streaming)
        rows = ((code(each.verb), code(_path(each)), _rpc_link(each.rpc), _body(each)) for each in bindings)
        if bindings:
            parts += [f"## {service.name}", table(("Method", "Path", "RPC", "Request body"), rows)]
    return "\n\n".join(parts)


def messages_page() -> str:
    """Every message and enum of the contract."""
    parts = [
        "# Messages",
        "Names are those of the contract (gRPC and Python); JSON uses lowerCamelCase. "
        "In JSON, durations are strings such as `10s`, timestamps are RFC 3339, and 64-bit integers are strings.",
    ]
    files = {service.file.name: service.file for service in _services()}
    pending = list(files.values())
    while pending:
        for imported in pending.pop().dependencies:
            if imported.package == "egress.v1" and imported.name not in files:
                files[imported.name] = imported
                pending.append(imported)
    described: dict[str, str] = {}
    for file in files.values():
        for message in file.message_types_by_name.values():
            described |= dict(_message(message))
        for enum in file.enum_types_by_name.values():
            described[_short(enum)] = _enum(enum)
    parts += [f"## {name}\n\n{text}" for name, text in sorted(described.items())]
    return "\n\n".join(parts)


def _services() -> list[ServiceDescriptor]:
    return sorted(contract_services(), key=lambda service: service.name)


def _facts(rpc: MethodDescriptor) -> Iterator[tuple[str, str]]:
    stream = "stream of "
    yield "Request", (stream if rpc.client_streaming else "") + _type_link(rpc.input_type)
    yield "Response", (stream if rpc.server_streaming else "") + _type_link(rpc.output_type)
    yield "Permission", code(permission(rpc))
    if not rpc.client_streaming:
        yield "REST", ", ".join(code(f"{each.verb} {_path(each)}") for each in bindings_of([rpc]))
        yield "Changes something", "yes" if has_mutation_options(rpc.input_type) else "no"


def _path(binding: Binding) -> str:
    return re.sub(r"\{(\w+(?:\.\w+)*)=([^}]*)\}", r"\2", binding.template.text)


def _body(binding: Binding) -> str:
    if not binding.body:
        return "none"
    if binding.body == "*":
        return _type_link(binding.rpc.input_type)
    return f"{code(binding.body)} of {_type_link(binding.rpc.input_type)}"


def _rpc_link(rpc: MethodDescriptor) -> str:
    return f"[{rpc.name}](rpcs.md#{rpc.name.lower()})"


def _message(message: Descriptor) -> Iterator[tuple[str, str]]:
    options: Any = message.GetOptions()
    if options.map_entry:
        return
    rows = ((code(field.name), _field_type(field), _field_text(field)) for field in message.fields)
    fields = table(("Field", "Type", "Description"), rows) if message.fields else "No fields."
    yield _short(message), f"{_comment(message.full_name)}\n\n{fields}"
    for nested in message.nested_types:
        yield from _message(nested)
    for enum in message.enum_types:
        yield _short(enum), _enum(enum)


def _enum(enum: EnumDescriptor) -> str:
    rows = ((code(value.name), _comment(f"{enum.full_name}.{value.name}")) for value in enum.values)
    return f"{_comment(enum.full_name)}\n\n{table(('Value', 'Description'), rows)}"


def _field_text(field: FieldDescriptor) -> str:
    notes = [_NOTES[each] for each in behavior(field) if each in _NOTES]
    if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
        notes.append(f"only one of {field.containing_oneof.name}")
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"{_comment(field.full_name)}{noted}"


def _field_type(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map of {_element_type(key)} to {_element_type(value)}"
    return ("repeated " if field.is_repeated else "") + _element_type(field)


def _element_type(field: FieldDescriptor) -> str:
    described = field.message_type or field.enum_type
    return _SCALARS[field.type] if described is None else _type_link(described)


def _type_link(described: Descriptor | EnumDescriptor) -> str:
    if not described.full_name.startswith(_PACKAGE):
        return code(described.full_name)
    name = _short(described)
    return f"[{name}](messages.md#{name.lower().replace('.', '')})"


def _short(described: Descriptor | EnumDescriptor) -> str:
    return str(described.full_name).removeprefix(_PACKAGE)


def _comment(full_name: str) -> str:
    return _COMMENTS.get(full_name, "")
