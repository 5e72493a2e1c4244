"""The OpenAPI operation of a binding: parameters, body, responses."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from egress_server.gateway.openapi.schemas import Schema, Schemas, behavior
from egress_server.gateway.requests import OPTION_HEADERS, YAML_BODY
from egress_server.gateway.responses import etag_path
from egress_server.gateway.transcoder.request import JSON
from egress_server.gateway.transcoder.routes import Binding
from egress_server.gateway.transcoder.shapes import map_entry, object_type

_ABOUT_HEADERS = {
    "etag": "An etag. The request fails with status 412 unless it matches the resource's current etag.",
    "create_only": "Only `*`. The request fails with status 412 if the resource already exists.",
    "request_id": "Idempotency key, same as `requestId`: requests with the same key result in a single change.",
}

EVENTS = "text/event-stream"
_RESUME: Schema = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "ID of the last event received; overrides `cursor`. Browsers send it when they reconnect.",
    "schema": {"type": "string"},
}


class Operations:
    """Builds operations. `variables` has the name of the ID of each collection, such as `mesh` for `meshes`."""

    def __init__(self, schemas: Schemas, variables: Mapping[str, str]) -> None:
        self._schemas = schemas
        self._variables = variables
        self._ids: dict[str, int] = {}

    def path(self, binding: Binding) -> str:
        """The path in OpenAPI's form, in which each wildcard is a parameter."""
        parts = [f"{{{name}}}" if name else text for text, name, _ in self._path_parts(binding)]
        return "/" + "/".join(parts) + (f":{binding.template.verb}" if binding.template.verb else "")

    def operation(self, binding: Binding) -> Schema:
        """The operation object."""
        method = binding.rpc
        comment = self._schemas.comment(method.full_name)
        parameters = [*self._path_parameters(binding), *self._query(binding), *self._headers(method.input_type)]
        operation: Schema = {
            "operationId": self._id(method.name),
            "tags": [method.containing_service.name],
            "summary": re.split(r"(?<=[.;:])\s", comment)[0].rstrip(".;:"),
            "description": comment,
            "parameters": parameters,
        }
        if method.server_streaming:
            parameters.append(dict(_RESUME))
        if binding.body:
            operation["requestBody"] = self._body(binding)
        operation["responses"] = self._responses(method)
        return operation

    def _id(self, name: str) -> str:
        """The RPC's name; additional bindings get a number."""
        self._ids[name] = self._ids.get(name, 0) + 1
        return name if self._ids[name] == 1 else f"{name}{self._ids[name]}"

    def _path_parts(self, binding: Binding) -> Iterator[tuple[str, str, str]]:
        """The text of each segment, the name of its parameter if it is a wildcard, and the request field it belongs
        to."""
        before = ""
        for segment in binding.template.segments:
            name = self._variables.get(before, segment.field or "path") if segment.rank else ""
            yield segment.text, name, segment.field
            before = segment.text

    def _path_parameters(self, binding: Binding) -> Iterator[Schema]:
        for _, name, field in self._path_parts(binding):
            if name:
                about = f"Part of the request field `{field}`." if field else "Part of the path."
                yield {"name": name, "in": "path", "required": True, "description": about, "schema": {"type": "string"}}

    def _query(self, binding: Binding) -> Iterator[Schema]:
        """The fields that a request without a JSON body can only set here: all of them, or those in addition to
        YAML."""
        request = binding.rpc.input_type
        left = [f for f in request.fields if f.name not in binding.template.fields]
        if not binding.body:
            yield from self._query_parameters(left, "")
        elif YAML_BODY.field in request.fields_by_name:
            plain = [f for f in left if f.containing_oneof is None and object_type(f) is None]
            yield from self._query_parameters(plain, "")

    def _query_parameters(self, fields: Sequence[FieldDescriptor], prefix: str) -> Iterator[Schema]:
        for field in fields:
            if (kind := object_type(field)) is not None:
                if not field.is_repeated:
                    yield from self._query_parameters(kind.fields, f"{prefix}{field.json_name}.")
                continue
            schema = self._schemas.field(field)
            parameter: Schema = {"name": prefix + field.json_name, "in": "query"}
            if description := schema.pop("description", ""):
                parameter["description"] = description
            if field_behavior_pb2.REQUIRED in behavior(field):
                parameter["required"] = True
            if map_entry(field) is not None:
                parameter |= {"style": "deepObject", "explode": True}
            yield parameter | {"schema": schema}

    def _headers(self, request: Descriptor) -> Iterator[Schema]:
        for field, header in OPTION_HEADERS.items():
            if field in request.fields_by_name:
                about = _ABOUT_HEADERS[field]
                yield {"name": header, "in": "header", "description": about, "schema": {"type": "string"}}

    def _body(self, binding: Binding) -> Schema:
        request = binding.rpc.input_type
        if binding.body == "*":
            schema = self._schemas.reference(request, binding.template.fields)
        else:
            schema = self._schemas.field(request.fields_by_name[binding.body])
        content: dict[str, Any] = {JSON: {"schema": schema}}
        if example := JSON_EXAMPLES.get(binding.rpc.name):
            content[JSON]["example"] = example
        if YAML_BODY.field in request.fields_by_name:
            text = self._schemas.field(request.fields_by_name[YAML_BODY.field])
            content[YAML_BODY.content_types[0]] = {"schema": text, "example": YAML_EXAMPLES[binding.rpc.name]}
        return {"required": True, "content": content}

    def _responses(self, method: MethodDescriptor) -> Schema:
        response = method.output_type
        media = EVENTS if method.server_streaming else JSON
        done: Schema = {
            "description": self._schemas.comment(response.full_name) or "OK.",
            "content": {media: {"schema": self._schemas.reference(response)}},
        }
        if etag_path(response) is not None:
            done["headers"] = {"ETag": {"description": "The etag of the resource.", "schema": {"type": "string"}}}
        return {"200": done, "default": {"$ref": "#/components/responses/Error"}}


JSON_EXAMPLES: Mapping[str, Any] = {
    "SetOutboundPolicy": {"outboundPolicy": {"mode": "REGISTRY_ONLY"}, "reason": "allow registered services only"},
    "UpsertServiceEntry": {
        "serviceEntryId": "aliyun-com-ext",
        "serviceEntry": {
            "hosts": ["www.aliyun.com"],
            "ports": [
                {"number": 80, "name": "http", "protocol": "HTTP"},
                {"number": 443, "name": "https", "protocol": "HTTPS"},
            ],
            "resolution": "DNS",
            "location": "MESH_EXTERNAL",
        },
    },
    "Probe": {"namespace": "default", "url": "http://www.aliyun.com/", "method": "HEAD", "timeout": "10s"},
    "RegisterCluster": {"clusterId": "laptop", "cluster": {"labels": {"env": "dev"}, "local": {}}},
}
"""JSON bodies by RPC name. Tests check them against the contract."""

_ENTRY = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: aliyun-com-ext
spec:
  hosts:
  - www.aliyun.com
  ports:
  - number: 80
    name: http
    protocol: HTTP
  - number: 443
    name: https
    protocol: HTTPS
  resolution: DNS
  location: MESH_EXTERNAL
"""
_FAULT = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: aliyun-com-ext
spec:
  hosts:
  - www.aliyun.com
  http:
  - match:
    - uri:
        prefix: /orders
    fault:
      abort:
        percentage:
          value: 50
        httpStatus: 503
    route:
    - destination:
        host: www.aliyun.com
"""
YAML_EXAMPLES: Mapping[str, str] = {"UpsertServiceEntry": _ENTRY, "InjectFault": _FAULT}
"""YAML bodies by RPC name. Tests check that they are accepted."""
