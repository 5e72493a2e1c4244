"""The OpenAPI 3.1 document of the API, from the same descriptors and rules that serve the calls."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.api import resource_pb2
from google.protobuf.descriptor import FileDescriptor

from egress_server.gateway.openapi.comments import comments_of
from egress_server.gateway.openapi.operations import Operations
from egress_server.gateway.openapi.schemas import Schemas
from egress_server.gateway.transcoder.routes import Binding

_TITLE = "mesh-egress"


def openapi_document(bindings: Sequence[Binding], descriptor_set: bytes, version: str) -> dict[str, Any]:
    """The document. The same arguments always give the same document."""
    schemas = Schemas(comments_of(descriptor_set))
    operations = Operations(schemas, _variables(bindings))
    paths: dict[str, dict[str, Any]] = {}
    for binding in bindings:
        paths.setdefault(operations.path(binding), {})[binding.verb.lower()] = operations.operation(binding)
    services = {b.rpc.containing_service.name: b.rpc.containing_service for b in bindings}
    package = bindings[0].rpc.containing_service.file.package if bindings else ""
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": version, "description": schemas.comment(package)},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": schemas.comment(s.full_name)} for name, s in services.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {
                "Error": {
                    "description": "The request failed. google.rpc.Code defines the HTTP status of each code.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
                }
            },
        },
    }


def _variables(bindings: Sequence[Binding]) -> Mapping[str, str]:
    """The name of the ID of each collection, from the patterns of resources, such as `mesh` for `meshes`."""
    files: dict[str, FileDescriptor] = {}
    for binding in bindings:
        _gather(binding.rpc.containing_service.file, files)
    found: dict[str, str] = {}
    for file in files.values():
        for message in file.message_types_by_name.values():
            options: Any = message.GetOptions()
            for pattern in options.Extensions[resource_pb2.resource].pattern:
                parts = pattern.split("/")
                found |= {c: v.strip("{}") for c, v in zip(parts[::2], parts[1::2], strict=True)}
    return found


def _gather(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    """Adds a file and all files that it imports."""
    if file.name not in files:
        files[file.name] = file
        for imported in file.dependencies:
            _gather(imported, files)
