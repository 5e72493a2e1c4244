"""A message with a field of every kind, which our contract does not have: the JSON parser is tested on it."""

from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

F = FieldDescriptorProto
_SCALARS = {
    "text": F.TYPE_STRING,
    "flag": F.TYPE_BOOL,
    "raw": F.TYPE_BYTES,
    "int32": F.TYPE_INT32,
    "int64": F.TYPE_INT64,
    "uint32": F.TYPE_UINT32,
    "uint64": F.TYPE_UINT64,
    "single": F.TYPE_FLOAT,
    "double": F.TYPE_DOUBLE,
}


def _field(
    number: int, name: str, kind: Any, label: Any = F.LABEL_OPTIONAL, type_name: str | None = None
) -> FieldDescriptorProto:
    return F(name=name, number=number, type=kind, label=label, type_name=type_name)


def _map(message: DescriptorProto, number: int, name: str, key: Any, value: Any, value_type: str | None = None) -> None:
    entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    entry.field.extend([_field(1, "key", key), _field(2, "value", value, type_name=value_type)])
    message.field.append(_field(number, name, F.TYPE_MESSAGE, F.LABEL_REPEATED, f".sample.Sample.{entry.name}"))


def _build() -> type[Any]:
    file = FileDescriptorProto(name="sample.proto", package="sample", syntax="proto3")
    file.dependency.extend(["google/protobuf/duration.proto", "google/protobuf/timestamp.proto"])
    message = file.message_type.add(name="Sample")
    message.field.extend(_field(n, name, kind) for n, (name, kind) in enumerate(_SCALARS.items(), 1))
    color = message.enum_type.add(name="Color")
    color.value.extend(EnumValueDescriptorProto(name=n, number=i) for i, n in enumerate(["NONE", "RED", "BLUE"]))
    message.field.extend(
        [
            _field(20, "color", F.TYPE_ENUM, type_name=".sample.Sample.Color"),
            _field(21, "wait_time", F.TYPE_MESSAGE, type_name=".google.protobuf.Duration"),
            _field(22, "at_time", F.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp"),
            _field(23, "sub_item", F.TYPE_MESSAGE, type_name=".sample.Sample"),
            _field(24, "tags", F.TYPE_STRING, F.LABEL_REPEATED),
            _field(25, "sub_items", F.TYPE_MESSAGE, F.LABEL_REPEATED, ".sample.Sample"),
            _field(26, "istio_yaml", F.TYPE_STRING),
        ]
    )
    _map(message, 30, "labels", F.TYPE_STRING, F.TYPE_STRING)
    _map(message, 31, "by_flag", F.TYPE_BOOL, F.TYPE_INT32)
    _map(message, 32, "by_number", F.TYPE_INT32, F.TYPE_MESSAGE, ".sample.Sample")
    message.oneof_decl.add(name="choice")
    for number, name in ((40, "left"), (41, "right")):
        message.field.append(_field(number, name, F.TYPE_STRING))
        message.field[-1].oneof_index = 0
    pool = DescriptorPool()
    for known in (duration_pb2.DESCRIPTOR, timestamp_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("sample.Sample"))


Sample = _build()
