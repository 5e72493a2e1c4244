"""What operators need: health, readiness, metrics, documentation, reflection, doctors."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.app.requests import entry, ok
from tests.integration.app.transports import GrpcTransport, RestTransport
from tests.support.egressd import Egressd, run_cli
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("app-operations")

SERVICES = {"EgressService", "FleetService", "ChangeService", "AgentService"}


def test_health(by_grpc: GrpcTransport) -> None:
    """The standard health service reports the server and each service."""
    stub: Any = health_pb2_grpc.HealthStub(by_grpc.channel)
    for service in ("", "egress.v1.EgressService", "egress.v1.FleetService", "egress.v1.ChangeService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection(by_grpc: GrpcTransport) -> None:
    """A client without our proto files can list the services and read their descriptors."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(by_grpc.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="egress.v1.EgressService"),
    ]
    listed, file = stub.ServerReflectionInfo(iter(asked), timeout=10)
    names = {service.name for service in listed.list_services_response.service}
    assert {f"egress.v1.{name}" for name in SERVICES} <= names
    found = [FileDescriptorProto.FromString(data) for data in file.file_descriptor_response.file_descriptor_proto]
    methods = {method.name for proto in found for service in proto.service for method in service.method}
    assert {"SetOutboundPolicy", "UpsertServiceEntry", "Probe"} <= methods


def test_pages_for_operators(by_rest: RestTransport, by_grpc: GrpcTransport) -> None:
    """Liveness, readiness, metrics, OpenAPI, and a page to read it."""
    made = ok(by_grpc.call("UpsertServiceEntry", entry()))
    assert by_rest.http.get("/healthz").status_code == 200
    assert by_rest.http.get("/readyz").status_code == 200
    metrics = by_rest.http.get("/metrics")
    assert metrics.status_code == 200
    assert 'method="/egress.v1.EgressService/UpsertServiceEntry"' in metrics.text
    assert f'egress_store_revision{{mesh="default"}} {float(made["change"]["revision"])}' in metrics.text
    assert 'egress_cluster_applied_revision{cluster="one",mesh="default"}' in metrics.text
    document = by_rest.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert any(path.endswith("/outboundPolicies:set") for path in document["paths"])
    page = by_rest.http.get("/docs", follow_redirects=True)
    assert page.status_code == 200
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text


def test_not_ready_while_the_store_is_away(egressd: Egressd, by_rest: RestTransport) -> None:
    """Readiness and writes report UNAVAILABLE while the store is down; liveness and reads do not; then everything
    recovers."""
    ok(by_rest.call("UpsertServiceEntry", entry("stays")))
    (server,) = egressd.children("valkey-server")
    server.suspend()
    try:
        eventually(lambda: by_rest.http.get("/readyz").status_code == 503, "readiness to notice")
        assert by_rest.http.get("/healthz").status_code == 200
        name = "meshes/default/namespaces/prod/serviceEntries/stays"
        assert by_rest.call("GetServiceEntry", {"name": name}).code == 0
        answer = by_rest.call("UpsertServiceEntry", {**entry(), "requestId": "while-away"})
        assert answer.code in {4, 14}, str(answer)
    finally:
        server.resume()
    eventually(lambda: by_rest.http.get("/readyz").status_code == 200, "readiness to come back")
    ok(by_rest.call("UpsertServiceEntry", entry("after")))


def test_doctors(egressd: Egressd, tmp_path: Path) -> None:
    """Both doctors find no problems here; egressctl's reports a server that is not running."""
    done = run_cli("egress_server.cli", "doctor", "--data-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "Valkey" in done.stdout
    assert "envoy" in done.stdout
    done = run_cli("egress.cli", "doctor", "-o", "json", server=egressd.grpc)
    assert done.returncode == 0, done.stderr
    assert {check["verdict"] for check in json.loads(done.stdout)["checks"]} == {"ok"}
    done = run_cli("egress.cli", "doctor", server=f"unix:{tmp_path}/unserved")
    assert done.returncode == 3
