"""Foreign objects are parsed, whatever they contain."""

from typing import Any

import pytest

from egress_server.domain.model.resources import Endpoint, Location, Protocol, Resolution
from egress_server.formats.service_entry import protocol_named, read_foreign_entry
from egress_server.targets.kubernetes.observe.foreign_objects import entry_of
from tests.unit.targets.kubernetes.observations import found


def test_a_foreign_entry_is_parsed() -> None:
    """In the form of managed ones."""
    spec = {
        "hosts": ["A.example"],
        "ports": [{"number": 443, "name": "tls", "protocol": "tls", "targetPort": 8443}],
        "resolution": "STATIC",
        "location": "MESH_INTERNAL",
        "addresses": ["198.51.100.1"],
        "endpoints": [
            {"address": "10.0.0.1", "ports": {"tls": 1}, "labels": {"a": "b"}, "locality": "r/z", "weight": 3}
        ],
        "exportTo": ["."],
        "workloadSelector": {"labels": {"x": "y"}},
    }
    entry = read_foreign_entry("n", spec)
    assert entry is not None
    assert (entry.hosts, entry.resolution, entry.location) == (
        ("A.example",),
        Resolution.STATIC,
        Location.MESH_INTERNAL,
    )
    assert (entry.ports[0].protocol, entry.ports[0].target_port) == (Protocol.TLS, 8443)
    assert entry.endpoints == (Endpoint("10.0.0.1", {"tls": 1}, {"a": "b"}, "r/z", 3),)
    assert (entry.addresses, entry.export_to) == (("198.51.100.1",), (".",))
    assert entry.workload_selector == {"x": "y"}


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("http", Protocol.HTTP),
        ("HTTP_PROXY", Protocol.HTTP),
        ("GRPC-Web", Protocol.GRPC_WEB),
        ("MySQL", Protocol.MYSQL),
        ("UDP", Protocol.UDP),
        ("", Protocol.DETECTED),
        ("other", Protocol.DETECTED),
    ],
)
def test_protocols_of_foreign_ports(name: str, protocol: Protocol) -> None:
    """In any case; sidecars detect what Istio does not know."""
    assert protocol_named(name) is protocol


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"hosts": []},
        {"hosts": 7},
        {"hosts": ["a"], "ports": [{}]},
        {"hosts": ["a"], "ports": ["80"]},
        {"hosts": ["a"], "ports": [{"number": 70000}]},
        {"hosts": ["a"], "resolution": "NEVER"},
        {"hosts": ["a"], "endpoints": [{"weight": "many"}]},
    ],
)
def test_an_entry_that_cant_be_parsed_is_left_out(spec: dict[str, Any]) -> None:
    """Which is not an error."""
    assert read_foreign_entry("n", spec) is None
    assert entry_of(found("ServiceEntry", "x", spec), "default") is None
