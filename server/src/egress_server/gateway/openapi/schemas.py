"""Messages as JSON Schema for OpenAPI 3.1, by the proto3 JSON mapping."""

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from egress_server.gateway.transcoder.shapes import map_entry, object_type

Schema = dict[str, Any]

_INT32 = {"type": "integer", "format": "int32"}
_UINT32 = {"type": "integer", "format": "int64", "minimum": 0}
# Many JSON parsers read numbers as doubles, so 64-bit integers are strings.
_INT64 = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
_UINT64 = {"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}
_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    **dict.fromkeys((FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), _UINT64),
}
_WELL_KNOWN: Mapping[str, Schema] = {
    # Not JSON Schema's `duration` format, which is that of ISO 8601.
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["10s"]},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}
STATUS: Schema = {
    "type": "object",
    "description": "An error: google.rpc.Status as JSON.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer", "format": "int32", "description": "google.rpc.Code, such as 3 INVALID_ARGUMENT."},
        "message": {"type": "string", "description": "Human-readable description of the error."},
        "details": {
            "type": "array",
            "description": (
                "google.rpc.ErrorInfo with the stable reason and, if applicable, google.rpc.BadRequest with fields, "
                "google.rpc.RetryInfo, and the findings that block a mutation."
            ),
            "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {"@type": {"type": "string"}},
                "additionalProperties": True,
            },
        },
    },
}


class Schemas:
    """Collects the schemas that a document refers to, in the order of the first reference."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self.components: dict[str, Schema] = {"Status": STATUS}
        self._comments = comments

    def reference(self, descriptor: Descriptor | EnumDescriptor, leave_out: Collection[str] = ()) -> Schema:
        """A reference to the schema of a type. `leave_out` are fields that the caller sets elsewhere, such as the
        path."""
        name = descriptor.full_name.removeprefix(f"{descriptor.file.package}.")
        if name not in self.components:
            # Registered first, because a type can refer to itself.
            self.components[name] = {}
            if isinstance(descriptor, EnumDescriptor):
                self.components[name] = self._enum(descriptor)
            else:
                self.components[name] = self._message(descriptor, leave_out)
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field, with its comment."""
        return {**self._value(field), **self._about(field)}

    def comment(self, full_name: str) -> str:
        """The comment on a name; empty if it has none."""
        return self._comments.get(full_name, "")

    def _about(self, field: FieldDescriptor) -> Schema:
        comment = self.comment(field.full_name)
        about: Schema = {"description": comment} if comment else {}
        if field_behavior_pb2.OUTPUT_ONLY in behavior(field):
            about["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in behavior(field):
            about["writeOnly"] = True
        return about

    def _value(self, field: FieldDescriptor) -> Schema:
        if (pair := map_entry(field)) is not None:
            return {"type": "object", "additionalProperties": self._one(pair.fields_by_name["value"])}
        return {"type": "array", "items": self._one(field)} if field.is_repeated else self._one(field)

    def _one(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self.reference(field.enum_type)
        if (kind := object_type(field)) is not None:
            return self.reference(kind)
        if field.message_type is not None:
            return dict(_WELL_KNOWN[field.message_type.full_name])
        return dict(_SCALARS[field.type])

    def _message(self, descriptor: Descriptor, leave_out: Collection[str]) -> Schema:
        fields = [field for field in descriptor.fields if field.name not in leave_out]
        schema: Schema = {"type": "object"}
        if comment := self.comment(descriptor.full_name):
            schema["description"] = comment
        required = [f.json_name for f in fields if field_behavior_pb2.REQUIRED in behavior(f)]
        if required:
            schema["required"] = required
        schema["properties"] = {field.json_name: self.field(field) for field in fields}
        if exclusions := _exclusions(descriptor):
            schema["allOf"] = exclusions
        return schema

    def _enum(self, descriptor: EnumDescriptor) -> Schema:
        lines = [self.comment(descriptor.full_name)]
        # In the paths of a descriptor set, the comments of values are in the scope of the enum.
        lines += [f"- `{v.name}`: {self.comment(f'{descriptor.full_name}.{v.name}')}" for v in descriptor.values]
        return {"type": "string", "description": "\n".join(lines), "enum": [v.name for v in descriptor.values]}


def behavior(field: FieldDescriptor) -> Collection[int]:
    """The field's google.api.field_behavior annotations."""
    options: Any = field.GetOptions()
    return tuple(options.Extensions[field_behavior_pb2.field_behavior])


def _exclusions(descriptor: Descriptor) -> list[Schema]:
    """At most one field of each oneof."""
    return [
        {"not": {"required": [one.json_name, other.json_name]}}
        for oneof in descriptor.oneofs
        for one, other in combinations(oneof.fields, 2)
    ]
