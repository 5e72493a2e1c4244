"""The route table of the contract."""

from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from egress_server.gateway.transcoder.routes import RouteTable, bindings_of
from egress_server.wire import METHODS
from egress_server.wire.table import path_of
from tests.unit.gateway.fakes import DESCRIPTORS

BINDINGS = bindings_of(method.descriptor for method in METHODS.values())


def contract_methods() -> list[tuple[str, Any]]:
    """Path and descriptor of every unary method of the contract."""
    return [
        (f"/{file.package}.{service.name}/{method.name}", method)
        for file in FileDescriptorSet.FromString(DESCRIPTORS).file
        for service in file.service
        for method in service.method
        if not (method.client_streaming or method.server_streaming)
    ]


def test_every_method_has_a_route() -> None:
    """Each unary RPC of the contract is reachable through REST, under every rule it has."""
    served = {path_of(binding.rpc) for binding in BINDINGS}
    assert served == {path for path, _ in contract_methods()}


def test_each_binding_is_found_by_its_own_path() -> None:
    """No route hides another: a path made from a template resolves to that template."""
    table = RouteTable((binding, binding) for binding in BINDINGS)
    for binding in BINDINGS:
        parts = "/".join("x1" if s.rank else s.text for s in binding.template.segments)
        path = f"/{parts}" + (f":{binding.template.verb}" if binding.template.verb else "")
        found = table.find(binding.verb, path)
        assert found is not None
        assert found.target is binding


def test_other_verb() -> None:
    """A path that exists with other verbs names them; an unknown one is not found."""
    table = RouteTable((binding, binding) for binding in BINDINGS)
    found = table.find("PATCH", "/v1/meshes/default/outboundPolicies/x")
    assert found is not None
    assert found.target is None
    assert found.allowed == ("DELETE", "GET")
    assert table.find("GET", "/v1/meshes/default/nothing") is None


def rpc_with_rule(**rule: Any) -> MethodDescriptor:
    """An RPC of a made-up service, with the request of GetChange and this rule."""
    pool = descriptor_pool.Default()
    name = f"test_rule_{abs(hash(str(rule)))}"
    files = FileDescriptorSet()
    file = files.file.add(name=f"{name}.proto", package=name, syntax="proto3")
    file.dependency.append("egress/v1/change_service.proto")
    service = file.service.add(name="S")
    method = service.method.add(
        name="M", input_type=".egress.v1.GetChangeRequest", output_type=".egress.v1.GetChangeRequest"
    )
    options: Any = method.options
    http = options.Extensions[annotations_pb2.http]
    for key, value in rule.items():
        setattr(http, key, value)
    pool.AddSerializedFile(file.SerializeToString())
    found: MethodDescriptor = pool.FindMethodByName(f"{name}.S.M")
    return found


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"get": "/v1/{nope}"},
        {"get": "/v1/{name.nope}"},
        {"post": "/v1/x", "body": "nope"},
        {"get": "/v1/{name}", "response_body": "name"},
        {"get": "v1"},
    ],
)
def test_bad_rule(rule: dict[str, str]) -> None:
    """A rule that is missing, or does not match its request, is rejected at start-up."""
    with pytest.raises(ValueError, match=r"rule|unknown field|path template"):
        bindings_of([rpc_with_rule(**rule)])
