"""The requests of the methods for faults, interception and traffic settings."""

from collections.abc import Iterator

import pytest
from google.protobuf.duration_pb2 import Duration

from egress import (
    ConnectionLimits,
    EgressClient,
    Fault,
    HeaderMatch,
    Interception,
    OutlierDetection,
    Retries,
    Route,
    TlsOrigination,
    WeightedDestination,
)
from egress.v1 import egress_service_pb2 as pb
from egress.v1.common_pb2 import ClusterSelector, Scope
from egress.v1.service_entry_pb2 import TrafficSettings
from tests.unit.sdk.fake_server import FakeServer


@pytest.fixture
def client(server: FakeServer) -> Iterator[EgressClient]:
    """A client of that server."""
    with EgressClient(server.target) as client:
        yield client


def injected(server: FakeServer) -> Fault:
    """The fault of the only request."""
    (request,) = server.sent("InjectFault")
    assert isinstance(request, pb.InjectFaultRequest)
    return request.fault


def test_inject_fault(client: EgressClient, server: FakeServer) -> None:
    """All arguments of a fault arrive in their fields."""
    client.inject_fault(
        "www.aliyun.com",
        delay="1m30s",
        abort="unavailable",
        percent=50,
        ports=[80],
        headers={"x-test": "yes"},
        source_labels={"app": "web"},
        source_namespace="shop",
        ttl=600,
        id="drill",
        namespace="ops",
        clusters=["a"],
        request_id="r",
    )
    assert server.sent("InjectFault") == [
        pb.InjectFaultRequest(
            parent="meshes/default/namespaces/ops",
            fault_id="drill",
            fault=Fault(
                host="www.aliyun.com",
                delay=Fault.Delay(percent=50, fixed_delay=Duration(seconds=90)),
                abort=Fault.Abort(percent=50, grpc_status="UNAVAILABLE"),
                ports=[80],
                match_headers=[HeaderMatch(name="x-test", exact="yes")],
                source_labels={"app": "web"},
                source_namespace="shop",
                ttl=Duration(seconds=600),
                cluster_selector=ClusterSelector(clusters=["a"]),
            ),
            request_id="r",
        )
    ]


@pytest.mark.parametrize("status", [503, "503"])
def test_an_abort_with_an_http_status(client: EgressClient, server: FakeServer, status: int | str) -> None:
    """A number is an HTTP status; without a percentage none is sent."""
    client.inject_fault("h", abort=status)
    assert injected(server) == Fault(host="h", abort=Fault.Abort(http_status=503))


def test_a_fault_of_messages(client: EgressClient, server: FakeServer) -> None:
    """Messages allow more than the short forms, and their percentage takes precedence."""
    client.inject_fault(
        "h",
        delay=Fault.Delay(percent=5, fixed_delay=Duration(seconds=1)),
        abort=Fault.Abort(http_status=500),
        percent=50,
        headers=[HeaderMatch(name="x", prefix="a")],
    )
    assert injected(server) == Fault(
        host="h",
        delay=Fault.Delay(percent=5, fixed_delay=Duration(seconds=1)),
        abort=Fault.Abort(percent=50, http_status=500),
        match_headers=[HeaderMatch(name="x", prefix="a")],
    )


def test_a_fault_without_effect_is_for_the_server_to_refuse(client: EgressClient, server: FakeServer) -> None:
    """A percentage of 0 is sent as it is."""
    client.inject_fault("h", delay=0, percent=0)
    assert injected(server).delay == Fault.Delay(percent=0, fixed_delay=Duration())


@pytest.mark.parametrize(("namespace", "parent"), [("", "meshes/default"), ("shop", "meshes/default/namespaces/shop")])
def test_inject_fault_from_yaml(client: EgressClient, server: FakeServer, namespace: str, parent: str) -> None:
    """YAML is sent unchanged, with ttl and clusters as fields."""
    client.inject_fault(yaml="kind: VirtualService", namespace=namespace, ttl="10m", clusters=["a"], request_id="r")
    assert server.sent("InjectFault") == [
        pb.InjectFaultRequest(
            parent=parent,
            istio_yaml="kind: VirtualService",
            ttl=Duration(seconds=600),
            cluster_selector=ClusterSelector(clusters=["a"]),
            request_id="r",
        )
    ]


def test_a_fault_that_cannot_be_read_is_not_sent(client: EgressClient, server: FakeServer) -> None:
    """YAML together with fields, and durations without a unit, are ValueErrors."""
    with pytest.raises(ValueError, match="YAML or as fields"):
        client.inject_fault("h", yaml="a: b")
    with pytest.raises(ValueError, match="YAML or as fields"):
        client.inject_fault(yaml="a: b", percent=5)
    with pytest.raises(ValueError, match="'5 sec'"):
        client.inject_fault("h", delay="5 sec")
    assert server.requests == []


def test_names_of_faults(client: EgressClient, server: FakeServer) -> None:
    """A fault is given by ID and namespace, or by full name; a list is of all namespaces or one."""
    client.get_fault("f")
    client.get_fault("f", namespace="ops")
    client.clear_fault("meshes/m/namespaces/n/faults/f")
    list(client.list_faults())
    list(client.list_faults(namespace="ops"))
    assert [getattr(request, "name", "") or getattr(request, "parent", "") for _, request in server.requests] == [
        "meshes/default/namespaces/default/faults/f",
        "meshes/default/namespaces/ops/faults/f",
        "meshes/m/namespaces/n/faults/f",
        "meshes/default/namespaces/-",
        "meshes/default/namespaces/ops",
    ]


def test_set_interception_cidrs(client: EgressClient, server: FakeServer) -> None:
    """All arguments of an interception arrive in their fields; SERVICE_CIDRS is a flag, not a range."""
    client.set_interception_cidrs(
        ["SERVICE_CIDRS", "10.0.0.0/8"],
        exclude=["10.1.0.0/16"],
        include_ports=[80],
        exclude_ports=[25],
        id="x",
        namespace="shop",
        match_labels={"app": "web"},
        cluster_labels={"env": "prod"},
        request_id="r",
    )
    client.set_interception_cidrs(include=["*"], request_id="r")
    client.set_interception_cidrs(none=True, request_id="r")
    assert server.sent("SetInterceptionCIDRs") == [
        pb.SetInterceptionCIDRsRequest(
            parent="meshes/default",
            interception_id="x",
            interception=Interception(
                scope=Scope(namespace="shop", match_labels={"app": "web"}),
                include_cidrs=["10.0.0.0/8"],
                include_service_cidrs=True,
                exclude_cidrs=["10.1.0.0/16"],
                include_outbound_ports=[80],
                exclude_outbound_ports=[25],
                cluster_selector=ClusterSelector(match_labels={"env": "prod"}),
            ),
            request_id="r",
        ),
        *(
            pb.SetInterceptionCIDRsRequest(parent="meshes/default", interception=interception, request_id="r")
            for interception in (Interception(include_cidrs=["*"]), Interception(none=True))
        ),
    ]


def settings(server: FakeServer) -> TrafficSettings:
    """The traffic settings of the last entry received."""
    request = server.sent("UpsertServiceEntry")[-1]
    assert isinstance(request, pb.UpsertServiceEntryRequest)
    return request.service_entry.traffic


def test_traffic_settings_in_short(client: EgressClient, server: FakeServer) -> None:
    """Each traffic setting has a short form: its most important number."""
    client.upsert_service_entry(
        "x",
        hosts=["h"],
        ports=["80:HTTP"],
        request_timeout="15s",
        retries=0,
        tls_origination=True,
        connection_limits=100,
        outlier_detection=3,
    )
    assert settings(server) == TrafficSettings(
        timeout=Duration(seconds=15),
        retries=Retries(attempts=0),
        tls_origination=TlsOrigination(),
        connection_limits=ConnectionLimits(max_connections=100),
        outlier_detection=OutlierDetection(consecutive_5xx_errors=3),
    )
    assert settings(server).HasField("retries")
    client.upsert_service_entry("x", hosts=["h"], ports=["80:HTTP"], tls_origination=8080)
    assert settings(server) == TrafficSettings(tls_origination=TlsOrigination(port=8080))


def test_traffic_settings_as_messages(client: EgressClient, server: FakeServer) -> None:
    """A message is sent as it is, even an empty one."""
    route = Route(destinations=[WeightedDestination(host="other", weight=100)])
    wanted = TrafficSettings(
        retries=Retries(attempts=2, retry_on=["5xx"]),
        routes=[route],
        tls_origination=TlsOrigination(sni="s"),
        connection_limits=ConnectionLimits(max_pending_requests=1),
        outlier_detection=OutlierDetection(),
    )
    client.upsert_service_entry(
        "x",
        hosts=["h"],
        ports=["80:HTTP"],
        retries=wanted.retries,
        routes=[route],
        tls_origination=wanted.tls_origination,
        connection_limits=wanted.connection_limits,
        outlier_detection=wanted.outlier_detection,
    )
    assert settings(server) == wanted


def test_an_entry_without_traits_has_none(client: EgressClient, server: FakeServer) -> None:
    """Settings that are not given are not sent; together with YAML they are refused."""
    client.upsert_service_entry("x", hosts=["h"], ports=["80:HTTP"])
    (request,) = server.sent("UpsertServiceEntry")
    assert isinstance(request, pb.UpsertServiceEntryRequest)
    assert not request.service_entry.HasField("traffic")
    with pytest.raises(ValueError, match="YAML or as fields"):
        client.upsert_service_entry(yaml="a: b", retries=0)
