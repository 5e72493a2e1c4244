"""egressctl entry."""

from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from egress import (
    ConnectionLimits,
    Endpoint,
    LoadBalancer,
    OutlierDetection,
    Retries,
    ServiceEntry,
    ServicePort,
    TcpKeepalive,
    TlsOrigination,
)
from egress.v1.common_pb2 import ClusterSelector
from egress.v1.egress_service_pb2 import (
    DeleteServiceEntryRequest,
    DeleteServiceEntryResponse,
    GetServiceEntryRequest,
    ListServiceEntriesRequest,
    ListServiceEntriesResponse,
    UpsertServiceEntryRequest,
)
from egress.v1.service_entry_pb2 import TrafficSettings
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import ENTRY, UPSERTED
from tests.unit.sdk.fake_server import FakeServer

YAML = "kind: ServiceEntry\nmetadata:\n  name: aliyun  # ü\n"


def test_upsert_from_options(ctl: Run, server: FakeServer) -> None:
    """Each option arrives in its field."""
    server.answer("UpsertServiceEntry", UPSERTED)
    done = ctl(
        "entry", "upsert", "aliyun", "--host", "www.aliyun.com", "--port", "80:HTTP", "--port", "443:tls:web:8443",
        "--resolution", "static", "--location", "MESH_INTERNAL", "--endpoint", "192.0.2.1", "--address", "192.0.2.0/24",
        "--export-to", ".", "--workload", "app=x", "--subject-alt-name", "a.b", "--label", "istio.io/use-waypoint=w",
        "--annotation", "note=n", "--cluster", "a", "-n", "shop", "--request-id", "r",
    )  # fmt: skip
    assert (done.code, done.out) == (0, f"{ENTRY.name} set for www.aliyun.com (change 18)\n")
    assert server.sent("UpsertServiceEntry") == [
        UpsertServiceEntryRequest(
            parent="meshes/default/namespaces/shop",
            service_entry_id="aliyun",
            service_entry=ServiceEntry(
                hosts=["www.aliyun.com"],
                ports=[
                    ServicePort(number=80, protocol=ServicePort.HTTP),
                    ServicePort(number=443, protocol=ServicePort.TLS, name="web", target_port=8443),
                ],
                resolution=ServiceEntry.STATIC,
                location=ServiceEntry.MESH_INTERNAL,
                endpoints=[Endpoint(address="192.0.2.1")],
                addresses=["192.0.2.0/24"],
                export_to=["."],
                workload_selector={"app": "x"},
                subject_alt_names=["a.b"],
                labels={"istio.io/use-waypoint": "w"},
                annotations={"note": "n"},
                cluster_selector=ClusterSelector(clusters=["a"]),
            ),
            request_id="r",
        )
    ]


def test_traits(ctl: Run, server: FakeServer) -> None:
    """Each traffic option arrives in its field; 0 retries are sent."""
    ctl(
        "entry", "upsert", "x", "--host", "h", "--port", "80:HTTP:http:443", "--request-timeout", "5s", "--retries",
        "0", "--tls-origination", "80", "--max-connections", "9", "--outlier-errors", "3", "--tls-secret", "s",
        "--tls-workload", "app=x", "--max-requests", "8", "--idle-timeout", "0s", "--tcp-keepalive", "5m",
        "--load-balancer", "random",
    )  # fmt: skip
    (request,) = server.sent("UpsertServiceEntry")
    assert isinstance(request, UpsertServiceEntryRequest)
    assert request.service_entry.traffic == TrafficSettings(
        timeout=Duration(seconds=5),
        retries=Retries(),
        tls_origination=TlsOrigination(
            port=80, mode=TlsOrigination.MUTUAL, credential_name="s", match_labels={"app": "x"}
        ),
        connection_limits=ConnectionLimits(
            max_connections=9,
            max_requests=8,
            idle_timeout=Duration(),
            tcp_keepalive=TcpKeepalive(time=Duration(seconds=300)),
        ),
        outlier_detection=OutlierDetection(consecutive_5xx_errors=3),
        load_balancer=LoadBalancer(simple=LoadBalancer.RANDOM),
    )


def test_upsert_from_file(ctl: Run, server: FakeServer, tmp_path: Path) -> None:
    """A file is sent unchanged, and decides its namespace."""
    server.answer("UpsertServiceEntry", UPSERTED)
    (tmp_path / "entry.yaml").write_text(YAML, encoding="utf-8")
    done = ctl("entry", "upsert", "-f", str(tmp_path / "entry.yaml"), "--request-id", "r", "-o", "json")
    assert done.json["serviceEntry"]["hosts"] == ["www.aliyun.com"]
    assert server.sent("UpsertServiceEntry") == [
        UpsertServiceEntryRequest(parent="meshes/default", istio_yaml=YAML, request_id="r")
    ]


def test_upsert_from_standard_input(ctl: Run, server: FakeServer) -> None:
    """`-f -` reads standard input; -n sets the namespace."""
    ctl("entry", "upsert", "-f", "-", "-n", "shop", "--request-id", "r", stdin=YAML)
    assert server.sent("UpsertServiceEntry") == [
        UpsertServiceEntryRequest(parent="meshes/default/namespaces/shop", istio_yaml=YAML, request_id="r")
    ]


def test_an_empty_file_is_for_the_server_to_refuse(ctl: Run, server: FakeServer) -> None:
    """Empty YAML is sent as YAML, not treated as missing."""
    ctl("entry", "upsert", "-f", "-", stdin="")
    (request,) = server.sent("UpsertServiceEntry")
    assert isinstance(request, UpsertServiceEntryRequest)
    assert request.WhichOneof("source") == "istio_yaml"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "-f FILE"),
        (["x", "--host", "h"], "--port"),
        (["x", "--host", "h", "--port", "x:HTTP"], "'x:HTTP'"),
        (["x", "--host", "h", "--port", "80:SMTP"], "SMTP"),
        (["x", "--host", "h", "--port", "99999999999:HTTP"], "99999999999"),
        (["x", "--host", "h", "--port", "80:HTTP", "--resolution", "MAGIC"], "MAGIC"),
        (["-f", "/nonexistent.yaml"], "/nonexistent.yaml"),
        (["-f", "-", "--host", "h"], "YAML or as fields"),
        (["-f", "-", "--retries", "1"], "YAML or as fields"),
    ],
)
def test_usage(ctl: Run, server: FakeServer, words: list[str], named: str) -> None:
    """A value that is not valid exits with status 2, is named, and sends nothing."""
    done = ctl("entry", "upsert", *words, stdin=YAML)
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert server.requests == []


def test_a_file_that_is_no_text(ctl: Run, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a usage error."""
    (tmp_path / "entry.yaml").write_bytes(b"\xff\xfe")
    assert ctl("entry", "upsert", "-f", str(tmp_path / "entry.yaml")).code == 2


def test_get(ctl: Run, server: FakeServer) -> None:
    """An entry is given by ID and namespace (default: default), or by full name."""
    server.answer("GetServiceEntry", ENTRY)
    done = ctl("entry", "get", "aliyun", "-n", "shop")
    assert done.out.splitlines()[1].split()[:5] == ["shop", "aliyun", "www.aliyun.com", "80:HTTP", "DNS"]
    ctl("entry", "get", "aliyun")
    ctl("entry", "get", ENTRY.name)
    assert server.sent("GetServiceEntry") == [
        GetServiceEntryRequest(name=ENTRY.name),
        GetServiceEntryRequest(name="meshes/default/namespaces/default/serviceEntries/aliyun"),
        GetServiceEntryRequest(name=ENTRY.name),
    ]


def test_list(ctl: Run, server: FakeServer) -> None:
    """Without -n the entries of all namespaces are listed."""
    server.answer("ListServiceEntries", ListServiceEntriesResponse(service_entries=[ENTRY]))
    assert len(ctl("entry", "list").out.splitlines()) == 2
    ctl("entry", "list", "-n", "shop")
    assert server.sent("ListServiceEntries") == [
        ListServiceEntriesRequest(parent="meshes/default/namespaces/-", page_size=1000),
        ListServiceEntriesRequest(parent="meshes/default/namespaces/shop", page_size=1000),
    ]


def test_delete(ctl: Run, server: FakeServer) -> None:
    """Delete takes the same names as get."""
    server.answer("DeleteServiceEntry", DeleteServiceEntryResponse(service_entry=ENTRY, change=UPSERTED.change))
    done = ctl("entry", "delete", "aliyun", "-n", "shop", "--request-id", "r")
    assert done.out == f"{ENTRY.name} deleted (change 18)\n"
    assert server.sent("DeleteServiceEntry") == [DeleteServiceEntryRequest(name=ENTRY.name, request_id="r")]
