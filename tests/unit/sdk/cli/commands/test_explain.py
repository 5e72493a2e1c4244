"""egressctl explain, registry and mesh."""

from google.protobuf.timestamp_pb2 import Timestamp

from egress import ExplainResponse, Mesh, ProbeResponse
from egress.v1.explain_pb2 import ExplainRequest, ListRegistryRequest, ListRegistryResponse
from egress.v1.fleet_service_pb2 import GetMeshRequest, UpdateMeshRequest, UpdateMeshResponse
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, ENTRY, POLICY, WARNING
from tests.unit.sdk.fake_server import FakeServer

EXPLAINED = ExplainResponse(
    expected=ProbeResponse.Expectation(outcome=ProbeResponse.BLOCKED, resource=POLICY.name, revision=17),
    steps=["captured by the sidecar", "no host matches"],
    candidates=[
        ExplainResponse.Candidate(resource=POLICY.name, revision=17, wins=True, reason="holds for the mesh"),
        ExplainResponse.Candidate(resource=ENTRY.name, revision=18, reason="not exported"),
    ],
    findings=[WARNING],
    revision=18,
)


def test_explain(ctl: Run, server: FakeServer) -> None:
    """The expected outcome comes first, then each step, and the resources that win and lose."""
    server.answer("Explain", EXPLAINED)
    done = ctl("explain", "http://x", "--from", "local/shop", "--label", "app=web")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0] == f"expected BLOCKED by {POLICY.name} (revision 17) at revision 18"
    assert lines[1] == "based on MODEL: policy and observed objects"
    assert lines[2:4] == ["1. captured by the sidecar", "2. no host matches"]
    assert lines[6].split() == ["yes", POLICY.name, "17", "holds", "for", "the", "mesh"]
    assert "WARNING EGR0200 outbound_policy.mode" in lines
    assert server.sent("Explain") == [
        ExplainRequest(cluster="meshes/default/clusters/local", namespace="shop", labels={"app": "web"}, url="http://x")
    ]
    assert ctl("explain", "http://x", "--from", "local", "-o", "json").json["expected"]["outcome"] == "BLOCKED"
    assert ctl("explain", "http://x").code == 2


def test_explain_options(ctl: Run, server: FakeServer) -> None:
    """The request is described as for a probe; a live explanation names its agent and its age."""
    live = ExplainResponse(basis=ExplainRequest.LIVE, agent="web-1", basis_time=Timestamp(seconds=1_700_000_000))
    server.answer("Explain", live)
    asked = ("--method", "GET", "--header", "k=v", "--resolve", "192.0.2.1", "--source-label", "app=web", "--live")
    done = ctl("explain", "http://x", "--from", "local/shop", *asked)
    assert done.out.splitlines()[1].startswith("based on LIVE: the sidecar next to agent web-1, ")
    assert server.sent("Explain") == [
        ExplainRequest(
            cluster="meshes/default/clusters/local",
            namespace="shop",
            labels={"app": "web"},
            url="http://x",
            method="GET",
            headers={"k": "v"},
            resolve="192.0.2.1",
            basis=ExplainRequest.LIVE,
        )
    ]
    ctl("explain", "http://x", "--from", "local", "--model")
    modelled = server.sent("Explain")[-1]
    assert isinstance(modelled, ExplainRequest)
    assert modelled.basis == ExplainRequest.MODEL
    assert ctl("explain", "http://x", "--from", "local", "--model", "--live").code == 2


def test_explain_by_others(ctl: Run, server: FakeServer) -> None:
    """An unmanaged object has no revision."""
    expected = ProbeResponse.Expectation(outcome=ProbeResponse.PASSTHROUGH, resource="Sidecar/shop/x")
    server.answer("Explain", ExplainResponse(expected=expected, revision=18))
    done = ctl("explain", "http://x", "--from", "local/shop")
    assert done.out.splitlines()[0] == "expected PASSTHROUGH by Sidecar/shop/x at revision 18"


def test_registry(ctl: Run, server: FakeServer) -> None:
    """The registry shows what owns a host and port, and what shadows it."""
    item = ListRegistryResponse.Item(
        host="h", port=80, protocol="HTTP", owner="o", visible=True, shadowed_by="s", reason="older"
    )
    theirs = ListRegistryResponse.Item(
        host="h",
        port=80,
        protocol="HTTP",
        owner="ServiceEntry/shop/x",
        owner_kind=ListRegistryResponse.SERVICE_ENTRY,
        manager="helm",
    )
    server.answer("ListRegistry", ListRegistryResponse(items=[item, theirs], revision=18))
    done = ctl("registry", "--from", "local/shop", "--filter", "f")
    assert done.out.splitlines()[1].split() == ["h", "80", "HTTP", "yes", "o", "s", "older"]
    assert done.out.splitlines()[2].split() == ["h", "80", "HTTP", "no", "ServiceEntry/shop/x", "(helm)"]
    assert server.sent("ListRegistry") == [
        ListRegistryRequest(parent="meshes/default/clusters/local", namespace="shop", filter="f", page_size=1000)
    ]


def test_mesh(ctl: Run, server: FakeServer) -> None:
    """The mesh of the session is shown and updated."""
    mesh = Mesh(name="meshes/m", display_name="M", labels={"a": "b"}, revision=2)
    server.answer("GetMesh", mesh)
    server.answer("UpdateMesh", UpdateMeshResponse(mesh=mesh, change=CHANGE))
    assert ctl("mesh", "get", "--mesh", "m").out.splitlines()[1].split() == ["m", "M", "a=b", "2"]
    update = ctl("mesh", "update", "--mesh", "m", "--display-name", "M", "--label", "a=b", "--request-id", "r")
    assert "updated (change 17)" in update.out
    assert [request for _, request in server.requests] == [
        GetMeshRequest(name="meshes/m"),
        UpdateMeshRequest(mesh=Mesh(name="meshes/m", display_name="M", labels={"a": "b"}), request_id="r"),
    ]


def test_what_happens_to_drift(ctl: Run, server: FakeServer) -> None:
    """--drift alone changes nothing else of the mesh; other options can be combined with it."""
    server.answer("GetMesh", Mesh(name="meshes/default", display_name="M", labels={"a": "b"}, etag="e"))
    ctl("mesh", "update", "--drift", "report", "--request-id", "r")
    ctl("mesh", "update", "--drift", "heal", "--display-name", "N", "--request-id", "r")
    whole = Mesh(name="meshes/default", display_name="M", labels={"a": "b"}, drift_policy=Mesh.REPORT)
    assert server.sent("UpdateMesh") == [
        UpdateMeshRequest(mesh=whole, etag="e", request_id="r"),
        UpdateMeshRequest(mesh=Mesh(name="meshes/default", display_name="N", drift_policy=Mesh.HEAL), request_id="r"),
    ]
