"""Traffic settings through the transport: what is set is returned, and what was not set stays unset."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import service_entry_pb2
from egress_server.contract.traffic import read_traffic, write_traffic
from egress_server.domain.model.resources import (
    ConnectionLimits,
    HeaderMatch,
    MatchKind,
    OutlierDetection,
    Retries,
    Route,
    ServiceEntry,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.validate import Problems
from egress_server.wire import METHODS
from tests.support.violations import violations_of

UPSERT = METHODS["/egress.v1.EgressService/UpsertServiceEntry"]
WHOLE = {
    "timeout": "10s",
    "retries": {"attempts": 3, "perTryTimeout": "0.25s", "retryOn": ["5xx", "503"]},
    "routes": [
        {
            "matchHeaders": [{"name": "x-user", "prefix": "me"}],
            "destinations": [{"host": "Blue.example", "port": 8080, "weight": 30}, {"host": "b.example", "weight": 70}],
        }
    ],
    "tlsOrigination": {"port": 8080, "sni": "API.example", "insecureSkipVerify": True},
    "connectionLimits": {
        "maxConnections": 1,
        "connectTimeout": "2s",
        "maxPendingRequests": 3,
        "maxRequestsPerConnection": 4,
    },
    "outlierDetection": {
        "consecutive5xxErrors": 5,
        "interval": "6s",
        "baseEjectionTime": "7s",
        "maxEjectionPercent": 8,
    },
}


def read(settings: dict[str, Any]) -> TrafficSettings:
    """Settings in JSON names to the domain."""
    return read_traffic(ParseDict(settings, service_entry_pb2.TrafficSettings()), Problems())


def test_every_field_comes_and_goes() -> None:
    """Hosts in lower case, times in seconds."""
    settings = read(WHOLE)
    assert settings == TrafficSettings(
        timeout=10.0,
        retries=Retries(3, 0.25, ("5xx", "503")),
        routes=(
            Route(
                (WeightedDestination("blue.example", 8080, 30), WeightedDestination("b.example", 0, 70)),
                (HeaderMatch("x-user", MatchKind.PREFIX, "me"),),
            ),
        ),
        tls_origination=TlsOrigination(8080, "api.example", True),
        connection_limits=ConnectionLimits(1, 2.0, 3, 4),
        outlier_detection=OutlierDetection(5, 6.0, 7.0, 8),
    )
    shown = write_traffic(settings)
    assert shown is not None
    assert read_traffic(shown, Problems()) == settings


def test_nothing_set_is_nothing_shown() -> None:
    """Neither in the domain nor in the response."""
    assert read({}) == TrafficSettings()
    assert write_traffic(TrafficSettings()) is None


@pytest.mark.parametrize(
    ("settings", "read_as"),
    [
        ({"retries": {}}, TrafficSettings(retries=Retries(0))),
        ({"tlsOrigination": {}}, TrafficSettings(tls_origination=TlsOrigination(80))),
        ({"outlierDetection": {}}, TrafficSettings(outlier_detection=OutlierDetection())),
        ({"connectionLimits": {}}, TrafficSettings(connection_limits=ConnectionLimits())),
        ({"timeout": "0s"}, TrafficSettings(timeout=0.0)),
    ],
)
def test_set_to_nothing_is_set(settings: dict[str, Any], read_as: TrafficSettings) -> None:
    """Empty retries disable retries; an empty detection is Istio's default."""
    assert read(settings) == read_as


def test_they_are_part_of_an_entry() -> None:
    """They are checked together with its ports, and reported with their path in the request."""
    entry = {"hosts": ["a.b"], "ports": [{"number": 80, "protocol": "HTTP"}], "resolution": "DNS"}
    fields = {"parent": "meshes/default/namespaces/prod", "serviceEntryId": "x"}

    def request(**traffic: Any) -> pb.UpsertServiceEntryRequest:
        return ParseDict({**fields, "serviceEntry": {**entry, "traffic": traffic}}, pb.UpsertServiceEntryRequest())

    resource = UPSERT.decode(request(timeout="10s")).resource  # type: ignore[attr-defined]
    assert isinstance(resource, ServiceEntry)
    assert resource.traffic == TrafficSettings(timeout=10.0)
    found = violations_of(lambda: UPSERT.decode(request(timeout="0s", tlsOrigination={})))
    assert [field for field, _ in found] == [
        "service_entry.traffic.timeout",
        "service_entry.traffic.tls_origination.port",
    ]
