"""The comments of the .proto files by the full name of what they describe, from a descriptor set with source info."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

Path = tuple[int, ...]


class Named(Protocol):
    """A field, an enum value or a method."""

    name: str


_PACKAGE, _MESSAGE, _ENUM, _SERVICE = 2, 4, 5, 6
_NESTED_MESSAGE, _NESTED_ENUM, _MEMBER = 3, 4, 2


def comments_of(descriptor_set: bytes) -> Mapping[str, str]:
    """Comments by full name (`egress.v1.ProbeRequest.url`, or a package), with lines joined."""
    return {
        name: text for file in FileDescriptorSet.FromString(descriptor_set).file for name, text in _file_comments(file)
    }


def _file_comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_names(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name and location.leading_comments:
            yield name, _joined(location.leading_comments)


def _joined(comment: str) -> str:
    """Joins the lines of each paragraph; empty lines separate paragraphs."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    return "\n\n".join(" ".join(line.strip() for line in each.splitlines()) for each in paragraphs)


def _names(file: FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    """Full names by the path in google.protobuf.SourceCodeInfo.Location."""
    yield (_PACKAGE,), file.package
    for index, message in enumerate(file.message_type):
        yield from _message_names((_MESSAGE, index), file.package, message)
    for index, enum in enumerate(file.enum_type):
        yield from _member_names((_ENUM, index), file.package, enum, enum.value)
    for index, service in enumerate(file.service):
        yield from _member_names((_SERVICE, index), file.package, service, service.method)


def _message_names(at: Path, scope: str, message: DescriptorProto) -> Iterator[tuple[Path, str]]:
    yield from _member_names(at, scope, message, message.field)
    for index, nested in enumerate(message.nested_type):
        yield from _message_names((*at, _NESTED_MESSAGE, index), f"{scope}.{message.name}", nested)
    for index, enum in enumerate(message.enum_type):
        yield from _member_names((*at, _NESTED_ENUM, index), f"{scope}.{message.name}", enum, enum.value)


def _member_names(
    at: Path,
    scope: str,
    parent: DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto,
    members: Iterable[Named],
) -> Iterator[tuple[Path, str]]:
    yield at, f"{scope}.{parent.name}"
    for index, member in enumerate(members):
        yield (*at, _MEMBER, index), f"{scope}.{parent.name}.{member.name}"
