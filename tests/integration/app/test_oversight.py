"""Clusters as reported by appliers, and decisions about them: by gRPC, REST, both forms of the SDK, and egressctl."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from egress import AsyncEgressClient, EgressClient, FailedPrecondition
from egress_server.domain.model.status import (
    ClusterStatus,
    Drift,
    DriftKind,
    Phase,
    Problem,
    RestartProgress,
    RestartState,
)
from egress_server.domain.observed.inventory import Capabilities, Inventory, PolicyGap, PolicyGapKind, StaleWorkload
from tests.integration.app.requests import MESH, ok
from tests.integration.app.transports import GrpcTransport, RestTransport, Transport
from tests.support.egressd import run_cli
from tests.support.fake_applier import FakeApplier
from tests.support.kubeconfigs import kubeconfig

pytestmark = pytest.mark.xdist_group("app-oversight")

NOW = datetime(2026, 11, 23, tzinfo=UTC)
C0 = f"{MESH}/clusters/c0"
SIDECAR = "Sidecar/prod/default"
SETTLED = ClusterStatus("c0", Phase.SETTLED, applied_revision=1, stale_workloads=1, last_seen_time=NOW)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeApplier]:
    """A server without an applier, with the Kubernetes cluster c0 and a directory cluster."""
    with tempfile.TemporaryDirectory(prefix="unmanned-") as folder, FakeApplier(Path(folder)).running() as started:
        transport = GrpcTransport(started.grpc)
        target = {"kubernetes": {"kubeconfig": kubeconfig()}}
        ok(transport.call("RegisterCluster", {"parent": MESH, "clusterId": "c0", "cluster": target}))
        ok(transport.call("RegisterCluster", {"parent": MESH, "clusterId": "files", "cluster": {"directory": {}}}))
        transport.channel.close()
        yield started


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest, server: FakeApplier) -> Iterator[Transport]:
    """Each transport."""
    if request.param == "grpc":
        by_grpc = GrpcTransport(server.grpc)
        yield by_grpc
        by_grpc.channel.close()
    else:
        by_rest = RestTransport(server.url)
        yield by_rest
        by_rest.http.close()


@pytest.fixture
def seen(server: FakeApplier) -> None:
    """What an applier observed on c0."""
    drift = tuple(
        Drift(DriftKind.CHANGED, kind, "prod", "a", "r", "kubectl", NOW, healed)
        for kind, healed in (("Sidecar", None), ("ServiceEntry", NOW))
    )
    server.report(
        ClusterStatus("c0", Phase.SETTLED, drift=drift, stale_workloads=1, applied_revision=1, last_seen_time=NOW)
    )
    server.observe(
        Inventory(
            "c0",
            NOW,
            Capabilities("v1.36.3", "1.31.0"),
            ("10.96.0.0/12",),
            policy_gaps=(PolicyGap(PolicyGapKind.SIDECAR_WITHOUT_MODE, "Sidecar", "prod", "s", "no mode"),),
            stale_workloads=(StaleWorkload("Deployment", "prod", "web", 1, 2, "older"),),
            left_out={"policy_gaps": 2},
        )
    )


@pytest.mark.usefixtures("seen")
def test_what_was_seen(transport: Transport) -> None:
    """Lists by both transports, of one cluster and of all, and the counts in the cluster's status."""
    drift = ok(transport.call("ListDrift", {"parent": C0, "filter": "healed = false"}))["driftedObjects"]
    assert [(d["cluster"], d["kind"], d["manager"]) for d in drift] == [(C0, "Sidecar", "kubectl")]
    policy_gaps = ok(transport.call("ListPolicyGaps", {"parent": f"{MESH}/clusters/-"}))
    assert [e["type"] for e in policy_gaps["policyGaps"]] == ["SIDECAR_WITHOUT_MODE"]
    assert policy_gaps["observations"] == [
        {"cluster": C0, "observeTime": "2026-11-23T00:00:00Z", "omittedCount": 2},
        {"cluster": f"{MESH}/clusters/files"},
    ]
    stale = ok(transport.call("ListStaleWorkloads", {"parent": C0}))["staleWorkloads"]
    assert [(w["kind"], w["namespace"], w["name"], w["stalePods"]) for w in stale] == [("Deployment", "prod", "web", 1)]
    status = ok(transport.call("GetCluster", {"name": C0}))["status"]
    counts = {name: status[name] for name in ("driftedObjects", "policyGaps", "staleWorkloads", "istioVersion")}
    assert counts == {"driftedObjects": 1, "policyGaps": 3, "staleWorkloads": 1, "istioVersion": "1.31.0"}
    missing = transport.call("ListDrift", {"parent": f"{MESH}/clusters/none"})
    assert missing.reason == "RESOURCE_NOT_FOUND"


def test_adoption(transport: Transport) -> None:
    """Adopted, shown, undone by release and by revert; only on Kubernetes."""
    made = ok(transport.call("AdoptObject", {"name": C0, "object": SIDECAR, "reason": "agreed"}))
    assert (made["change"]["type"], made["cluster"]["adopted"]) == ("ADOPT", [SIDECAR])
    released = ok(transport.call("ReleaseObject", {"name": C0, "object": SIDECAR}))
    assert released["change"]["type"] == "RELEASE"
    assert "adopted" not in ok(transport.call("GetCluster", {"name": C0}))
    again = ok(transport.call("AdoptObject", {"name": C0, "object": SIDECAR}))
    ok(transport.call("RevertChange", {"name": again["change"]["name"]}))
    assert "adopted" not in ok(transport.call("GetCluster", {"name": C0}))
    assert transport.call("ReleaseObject", {"name": C0, "object": SIDECAR}).reason == "NOT_ADOPTED"
    files = {"name": f"{MESH}/clusters/files", "object": SIDECAR}
    assert transport.call("AdoptObject", files).reason == "TARGET_UNSUPPORTED"
    assert transport.call("AdoptObject", {"name": C0, "object": "Sidecar"}).fields == ["object"]


@pytest.mark.parametrize(
    ("rpc", "reason", "type_"),
    [("ApproveDeletion", "MASS_DELETION", "APPROVE"), ("AcceptStoreReset", "STORE_REWOUND", "ACCEPT")],
)
def test_what_is_held(rpc: str, reason: str, type_: str, transport: Transport, server: FakeApplier) -> None:
    """Its token is shown, and is the only one that is accepted."""
    server.report(SETTLED)
    assert transport.call(rpc, {"name": C0}).reason == "NOTHING_HELD"
    server.report(ClusterStatus("c0", Phase.HELD, problem=Problem(reason, "too much", token="t1")))
    status = ok(transport.call("GetCluster", {"name": C0}))["status"]
    assert (status["state"], status["reason"], status["approvalToken"]) == ("HELD", reason, "t1")
    assert transport.call(rpc, {"name": C0, "token": "t0"}).reason == "TOKEN_MISMATCH"
    planned = ok(transport.call(rpc, {"name": C0, "validateOnly": True}))
    assert "change" not in planned
    assert ok(transport.call(rpc, {"name": C0, "token": "t1"}))["change"]["type"] == type_


def test_restart(transport: Transport, server: FakeApplier) -> None:
    """Requested once per request ID; its progress is in the status."""
    request = {"name": C0, "workloads": ["Deployment/prod/web"], "requestId": f"restart-{type(transport).__name__}"}
    made = ok(transport.call("RestartWorkloads", request))
    assert made["change"]["type"] == "RESTART"
    assert ok(transport.call("RestartWorkloads", request))["restartId"] == made["restartId"]
    progress = RestartProgress(made["restartId"], RestartState.RUNNING, ("Deployment/prod/web",))
    server.report(ClusterStatus("c0", Phase.SETTLED, restart=progress))
    shown = ok(transport.call("GetCluster", {"name": C0}))["status"]["restart"]
    assert shown == {"id": made["restartId"], "state": "RUNNING", "done": ["Deployment/prod/web"]}


@pytest.mark.usefixtures("seen")
def test_egressctl(server: FakeApplier) -> None:
    """egressctl shows and does the same, and reports the result in its exit code."""

    def ctl(*words: str, code: int = 0) -> str:
        done = run_cli("egress.cli", "cluster", *words, server=server.grpc)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "kubectl" in ctl("drift", "c0")
    assert "c0 has 2 more that are not listed." in ctl("gaps")
    assert "1 of 2" in ctl("stale", "c0")
    assert "change" in ctl("adopt", "c0", SIDECAR)
    assert f"adopted: {SIDECAR}" in ctl("get", "c0")
    ctl("release", "c0", SIDECAR)
    assert "NOT_ADOPTED" in ctl("release", "c0", SIDECAR, code=1)
    assert "NOTHING_HELD" in ctl("approve", "c0", code=1)
    server.report(ClusterStatus("c0", Phase.HELD, problem=Problem("STORE_REWOUND", "it was restored", token="t")))
    ctl("accept-store-reset", "c0")
    assert "not started" in ctl("restart", "c0", "--wait", "--timeout", "1s", code=3)
    path = Path(server.grpc.removeprefix("unix:")).with_name("config")
    path.write_text(kubeconfig())
    words = ("register", "c0", "--target", "kubernetes", "--kubeconfig", str(path), "--context", "c0")
    assert "registered" in ctl(*words, "--no-wait")


@pytest.mark.usefixtures("seen")
async def test_the_sdk_in_both_forms(server: FakeApplier) -> None:
    """Both SDK clients show and do the same."""
    with EgressClient(server.grpc) as client:
        assert [d.kind for d in client.list_drift("c0", filter="healed = true")] == ["ServiceEntry"]
        assert list(client.adopt_object("c0", SIDECAR).cluster.adopted) == [SIDECAR]
        client.release_object("c0", SIDECAR)
        with pytest.raises(FailedPrecondition) as caught:
            client.approve_deletion("c0")
        assert caught.value.reason == "NOTHING_HELD"
    async with AsyncEgressClient(server.grpc) as client_:
        assert [e.name async for e in client_.list_policy_gaps("c0")] == ["s"]
        assert [w.name async for w in client_.list_stale_workloads()] == ["web"]
        restart = await client_.restart_workloads("c0")
        assert restart.reply.restart_id
        assert not (await restart.wait(timeout=0.1)).reached
