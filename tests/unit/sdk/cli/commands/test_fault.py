"""egressctl fault."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from egress import Change, Fault, HeaderMatch, StringMatch
from egress.v1.common_pb2 import ClusterSelector
from egress.v1.egress_service_pb2 import (
    ClearFaultRequest,
    ClearFaultResponse,
    InjectFaultRequest,
    InjectFaultResponse,
    ListFaultsRequest,
    ListFaultsResponse,
)
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.fake_server import FakeServer

FAULT = Fault(
    name="meshes/default/namespaces/shop/faults/drill",
    host="www.aliyun.com",
    delay=Fault.Delay(fixed_delay=Duration(seconds=5)),
    abort=Fault.Abort(percent=50, http_status=503),
    expire_time=Timestamp(seconds=1_700_000_000),
    revision=19,
)
CHANGE = Change(name="meshes/default/changes/19", revision=19, resource=FAULT.name)


def test_inject(ctl: Run, server: FakeServer) -> None:
    """Each option arrives in its field, and the output has the expiry time."""
    server.answer("InjectFault", InjectFaultResponse(fault=FAULT, change=CHANGE))
    done = ctl(
        "fault", "inject", "www.aliyun.com", "-n", "shop", "--delay", "5s", "--abort", "503", "--percent", "50",
        "--port", "80", "--header", "k=v",
        "--uri-prefix", "/orders", "--method", "POST", "--authority", "a.b",
        "--ttl", "10m", "--id", "drill", "--source-label", "app=web",
        "--source-namespace", "web", "--cluster", "a", "--request-id", "r",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{FAULT.name} injected for www.aliyun.com until 2023-11-14 22:13:20Z (change 19)\n"
    assert server.sent("InjectFault") == [
        InjectFaultRequest(
            parent="meshes/default/namespaces/shop",
            fault_id="drill",
            fault=Fault(
                host="www.aliyun.com",
                delay=Fault.Delay(percent=50, fixed_delay=Duration(seconds=5)),
                abort=Fault.Abort(percent=50, http_status=503),
                ports=[80],
                match_headers=[HeaderMatch(name="k", exact="v")],
                match_uri=StringMatch(prefix="/orders"),
                match_method=StringMatch(exact="POST"),
                match_authority=StringMatch(exact="a.b"),
                source_labels={"app": "web"},
                source_namespace="web",
                ttl=Duration(seconds=600),
                cluster_selector=ClusterSelector(clusters=["a"]),
            ),
            request_id="r",
        )
    ]


def test_inject_from_standard_input(ctl: Run, server: FakeServer) -> None:
    """YAML is sent unchanged, with the ttl as a field."""
    ctl("fault", "inject", "-f", "-", "--ttl", "10m", "--request-id", "r", stdin="kind: VirtualService")
    assert server.sent("InjectFault") == [
        InjectFaultRequest(
            parent="meshes/default", istio_yaml="kind: VirtualService", ttl=Duration(seconds=600), request_id="r"
        )
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "-f FILE"),
        (["h", "--abort", "503", "--uri", "/a", "--uri-prefix", "/b"], "--uri-prefix, not both"),
        (["h"], "--delay or --abort"),
        (["h", "--delay", "5"], "'5'"),
        (["h", "--delay", "5s", "--header", "k"], "'k'"),
        (["h", "--delay", "5s", "-f", "-"], "YAML or as fields"),
    ],
)
def test_usage(ctl: Run, server: FakeServer, words: list[str], named: str) -> None:
    """A value that is not valid exits with status 2, is named, and sends nothing."""
    done = ctl("fault", "inject", *words, stdin="a: b")
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert server.requests == []


def test_get_and_list(ctl: Run, server: FakeServer) -> None:
    """A fault shows its effect, its percentage and when it expires."""
    server.answer("GetFault", FAULT)
    server.answer("ListFaults", ListFaultsResponse(faults=[FAULT]))
    row = ctl("fault", "get", "drill", "-n", "shop").out.splitlines()[1]
    assert " ".join(row.split()) == "shop drill www.aliyun.com 5s 503 (50%) all 2023-11-14 22:13:20Z all 19"
    assert ctl("fault", "list", "-o", "json").json["faults"][0]["delay"] == {"fixedDelay": "5s"}
    assert server.sent("ListFaults") == [ListFaultsRequest(parent="meshes/default/namespaces/-", page_size=1000)]


def test_clear(ctl: Run, server: FakeServer) -> None:
    """Clear takes the same names as get."""
    server.answer("ClearFault", ClearFaultResponse(fault=FAULT, change=CHANGE))
    done = ctl("fault", "clear", "drill", "-n", "shop", "--request-id", "r")
    assert done.out == f"{FAULT.name} cleared (change 19)\n"
    assert server.sent("ClearFault") == [ClearFaultRequest(name=FAULT.name, request_id="r")]
