"""The OpenAPI document: valid, complete, and in line with what is served."""

from typing import Any

import httpx
import orjson
import pytest
from openapi_spec_validator import validate

from egress_server.gateway.openapi import openapi_document
from egress_server.gateway.openapi.operations import JSON_EXAMPLES, YAML_EXAMPLES
from egress_server.gateway.transcoder.routes import bindings_of
from egress_server.wire import METHODS, STREAMS
from tests.unit.gateway.fakes import DESCRIPTORS, FakePipeline, app_over

RPCS = [m.descriptor for m in METHODS.values()] + [m.descriptor for m in STREAMS.values()]
BINDINGS = bindings_of(RPCS)
DOCUMENT: dict[str, Any] = openapi_document(BINDINGS, DESCRIPTORS, "1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> dict[str, dict[str, Any]]:
    """Operations by id."""
    return {op["operationId"]: op for path in DOCUMENT["paths"].values() for op in path.values()}


def parameters(operation_id: str, where: str) -> dict[str, dict[str, Any]]:
    """An operation's parameters in one place, by name."""
    return {p["name"]: p for p in operations()[operation_id]["parameters"] if p["in"] == where}


def test_valid() -> None:
    """The document is OpenAPI 3.1."""
    assert DOCUMENT["openapi"] == "3.1.0"
    validate(DOCUMENT)


def test_stable() -> None:
    """Generated twice, it is byte for byte the same."""
    again = openapi_document(bindings_of(RPCS), DESCRIPTORS, "1.2.3")
    assert orjson.dumps(again) == orjson.dumps(DOCUMENT)


def test_complete() -> None:
    """Every binding is an operation."""
    assert sum(len(path) for path in DOCUMENT["paths"].values()) == len(BINDINGS)
    assert {"UpsertServiceEntry", "UpsertServiceEntry2", "Probe", "WaitChange"} <= set(operations())


def test_paths() -> None:
    """Wildcards become parameters named after the resource's pattern, and custom verbs stay."""
    assert "/v1/meshes/{mesh}/namespaces/{namespace}/serviceEntries/{service_entry}" in DOCUMENT["paths"]
    assert "/v1/meshes/{mesh}/changes/{change}:wait" in DOCUMENT["paths"]
    assert list(parameters("WaitChange", "path")) == ["mesh", "change"]


def test_comments_everywhere() -> None:
    """Every operation, type and field carries the comment of the .proto file."""
    for operation in operations().values():
        assert operation["description"], operation["operationId"]
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
        for field, value in schema.get("properties", {}).items():
            assert value.get("description") or name == "Status", f"{name}.{field}"
    assert "- `REGISTRY_ONLY`: The traffic is blocked" in SCHEMAS["OutboundPolicy.Mode"]["description"]
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert tags["EgressService"] == "Controls and verifies how workloads in a mesh reach external services."


def test_types() -> None:
    """Types follow the proto3 JSON mapping."""
    change = SCHEMAS["Change"]["properties"]
    assert change["revision"]["type"] == "string"
    assert change["acceptTime"]["format"] == "date-time"
    assert change["summary"]["additionalProperties"] == {"type": "integer", "format": "int32"}
    assert change["findings"]["items"] == {"$ref": "#/components/schemas/Finding"}
    assert SCHEMAS["OutboundPolicy.Mode"]["enum"] == ["MODE_UNSPECIFIED", "ALLOW_ANY", "REGISTRY_ONLY"]
    assert SCHEMAS["ProbeRequest"]["properties"]["timeout"]["pattern"].endswith("s$")


def test_behaviour() -> None:
    """Required, read-only and mutually exclusive fields are marked; fields from the path are not repeated."""
    assert SCHEMAS["OutboundPolicy"]["required"] == ["mode"]
    assert SCHEMAS["OutboundPolicy"]["properties"]["etag"]["readOnly"] is True
    assert SCHEMAS["Cluster.KubernetesTarget"]["properties"]["kubeconfig"]["writeOnly"] is True
    assert SCHEMAS["ProbeRequest"]["required"] == ["url"]
    assert "cluster" not in SCHEMAS["ProbeRequest"]["properties"]
    exclusive = {"not": {"required": ["serviceEntry", "istioYaml"]}}
    assert exclusive in SCHEMAS["UpsertServiceEntryRequest"]["allOf"]


def test_parameters() -> None:
    """A method without a body takes its fields in the query, and mutations take their headers."""
    assert set(parameters("ListChanges", "query")) == {"pageSize", "pageToken", "filter", "orderBy"}
    assert set(parameters("DeleteServiceEntry", "header")) == {"If-Match", "If-None-Match", "Idempotency-Key"}
    assert "headers" in operations()["GetServiceEntry"]["responses"]["200"]
    assert parameters("ListChanges", "header") == {}


def test_yaml() -> None:
    """UpsertServiceEntry takes YAML, with the other fields in the query."""
    content = operations()["UpsertServiceEntry"]["requestBody"]["content"]
    assert content["application/yaml"]["example"] == YAML_EXAMPLES["UpsertServiceEntry"]
    assert {"validateOnly", "serviceEntryId", "suppressFindings"} <= set(parameters("UpsertServiceEntry", "query"))
    assert "istioYaml" not in parameters("UpsertServiceEntry", "query")


@pytest.mark.parametrize("name", sorted(JSON_EXAMPLES))
async def test_example(name: str, client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """Each example is a valid request."""
    path = next(path for path, item in DOCUMENT["paths"].items() if item.get("post", {}).get("operationId") == name)
    url = path.format(mesh="default", cluster="laptop", namespace="default")
    response = await client.post(url, json=JSON_EXAMPLES[name])
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("name", sorted(YAML_EXAMPLES))
def test_yaml_example(name: str) -> None:
    """Each YAML example is accepted by the RPC that shows it."""
    method = METHODS[f"/egress.v1.EgressService/{name}"]
    text, parent = YAML_EXAMPLES[name], "meshes/default/namespaces/default"
    method.decode(method.request_type(parent=parent, istio_yaml=text))


async def test_served(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The document is at /openapi.json, and the app's own is the same."""
    response = await client.get("/openapi.json")
    assert response.json() == app_over(pipeline).openapi() == DOCUMENT
