"""egressctl cluster: drift, policy gaps, stale workloads, adoption, approval and restarts."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from egress import Change, Cluster, DriftedObject, Observation, PolicyGap, StaleWorkload
from egress.v1 import fleet_service_pb2 as pb
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.fake_server import FakeServer

NAME = "meshes/default/clusters/c0"
CHANGE = Change(revision=18, resource=NAME)
SEEN = Timestamp(seconds=1_700_000_000)


def test_drift(ctl: Run, server: FakeServer) -> None:
    """Drift shows what differs, which client changed it, and whether it was healed."""
    drifted = DriftedObject(
        cluster=NAME,
        type=DriftedObject.CHANGED,
        kind="Sidecar",
        namespace="prod",
        name="default",
        resource="r",
        manager="kubectl",
        detect_time=SEEN,
    )
    server.answer("ListDrift", pb.ListDriftResponse(drifted_objects=[drifted]))
    row = ctl("cluster", "drift", "--filter", "healed = false").out.splitlines()[1].split()
    assert row == ["c0", "Sidecar/prod/default", "CHANGED", "kubectl", "2023-11-14", "22:13:20Z", "no", "r"]
    assert ctl("cluster", "drift", "c0", "-o", "json").json["driftedObjects"][0]["manager"] == "kubectl"
    assert server.sent("ListDrift") == [
        pb.ListDriftRequest(parent="meshes/default/clusters/-", filter="healed = false", page_size=1000),
        pb.ListDriftRequest(parent=NAME, page_size=1000),
    ]


GAPS = [
    Observation(cluster=NAME, observe_time=SEEN, omitted_count=7),
    Observation(cluster="meshes/default/clusters/c1"),
    Observation(cluster="meshes/default/clusters/c2", observe_time=SEEN),
]
INCOMPLETE = [
    "c0 has 7 more that are not listed.",
    "c1 has not been observed yet; the list has nothing from it.",
]


def test_escapes(ctl: Run, server: FakeServer) -> None:
    """Each gap has its reason; what the list lacks is printed on standard error."""
    gap = PolicyGap(
        cluster=NAME,
        type=PolicyGap.SIDECAR_WITHOUT_MODE,
        kind="Sidecar",
        namespace="a",
        name="b",
        reason="no mode",
    )
    server.answer("ListPolicyGaps", pb.ListPolicyGapsResponse(policy_gaps=[gap], observations=GAPS))
    done = ctl("cluster", "gaps")
    assert done.out.splitlines()[1].split() == ["c0", "Sidecar/a/b", "SIDECAR_WITHOUT_MODE", "no", "mode"]
    assert done.err.splitlines() == INCOMPLETE
    assert len(ctl("cluster", "gaps", "-o", "json").json["observations"]) == 3


def test_stale(ctl: Run, server: FakeServer) -> None:
    """Stale workloads are listed with the number of their pods."""
    workload = StaleWorkload(
        cluster=NAME, kind="Deployment", namespace="a", name="b", stale_pods=1, pods=2, reason="older"
    )
    server.answer("ListStaleWorkloads", pb.ListStaleWorkloadsResponse(stale_workloads=[workload], observations=GAPS))
    done = ctl("cluster", "stale", "c0")
    assert done.out.splitlines()[1].split() == ["c0", "Deployment/a/b", "1", "of", "2", "older"]
    assert done.err.splitlines() == INCOMPLETE


def test_decisions(ctl: Run, server: FakeServer) -> None:
    """Each prints the decision, and takes the options of all mutations."""
    answers: dict[str, Any] = {
        "AdoptObject": pb.AdoptObjectResponse(change=CHANGE),
        "ReleaseObject": pb.ReleaseObjectResponse(change=CHANGE),
        "ApproveDeletion": pb.ApproveDeletionResponse(change=CHANGE),
        "AcceptStoreReset": pb.AcceptStoreResetResponse(change=CHANGE),
    }
    for rpc, answer in answers.items():
        server.answer(rpc, answer)
    words = ("--request-id", "r", "--reason", "agreed")
    assert ctl("cluster", "adopt", "c0", "Sidecar/a/b", *words).out == (f"{NAME} adopted Sidecar/a/b (change 18)\n")
    assert "released Sidecar/a/b" in ctl("cluster", "release", "c0", "Sidecar/a/b", *words).out
    assert "deletion approved" in ctl("cluster", "approve", "c0", "--token", "t", *words).out
    assert "accepted this store" in ctl("cluster", "accept-store-reset", "c0", *words).out
    assert [request for _, request in server.requests] == [
        pb.AdoptObjectRequest(name=NAME, object="Sidecar/a/b", request_id="r", reason="agreed"),
        pb.ReleaseObjectRequest(name=NAME, object="Sidecar/a/b", request_id="r", reason="agreed"),
        pb.ApproveDeletionRequest(name=NAME, token="t", request_id="r", reason="agreed"),
        pb.AcceptStoreResetRequest(name=NAME, request_id="r", reason="agreed"),
    ]


def test_restart(ctl: Run, server: FakeServer) -> None:
    """Without --wait, the restart is only requested."""
    server.answer("RestartWorkloads", pb.RestartWorkloadsResponse(change=CHANGE, restart_id="1"))
    done = ctl("cluster", "restart", "c0", "Deployment/a/b", "Deployment/a/c", "--request-id", "r")
    assert done.code == 0
    assert ctl("cluster", "restart", "c0", "--request-id", "r", "--dry-run", "--wait").code == 0
    assert server.sent("RestartWorkloads") == [
        pb.RestartWorkloadsRequest(name=NAME, workloads=["Deployment/a/b", "Deployment/a/c"], request_id="r"),
        pb.RestartWorkloadsRequest(name=NAME, request_id="r", validate_only=True),
    ]
    assert server.sent("GetCluster") == []


def progressing(*done: str, state: str = "RUNNING", id_: str = "1", **fields: str) -> Cluster:
    """The cluster while workloads of it are restarted."""
    found = Cluster.Restart(id=id_, state=Cluster.Restart.State.Value(state), done=done, **fields)
    return Cluster(name=NAME, status=Cluster.Status(restart=found))


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        (progressing("Deployment/a/b", state="DONE"), 0, "1 workload of c0 restarted."),
        (progressing(state="DONE", message="2 pods are left"), 0, "0 workloads of c0 restarted.\n  2 pods are left"),
        (
            progressing("x", "y", state="STOPPED", failed="Deployment/a/c", message="not ready in 5 minutes"),
            1,
            "Stopped after 2 workloads: Deployment/a/c: not ready in 5 minutes",
        ),
    ],
)
def test_a_restart_is_followed(ctl: Run, server: FakeServer, last: Cluster, code: int, said: str) -> None:
    """The restart is followed to its end; an older restart is not mistaken for it."""
    server.answer("RestartWorkloads", pb.RestartWorkloadsResponse(change=CHANGE, restart_id="1"))
    older = progressing("z", state="DONE", id_="0")
    older.status.reason, older.status.message = "UNREACHABLE", "refused"
    server.answer("GetCluster", older, progressing("Deployment/a/b", message="web comes back"), last)
    done = ctl("cluster", "restart", "c0", "--wait")
    assert done.code == code
    assert done.err.splitlines() == [
        "waiting: not started: refused (UNREACHABLE)",
        "waiting: 1 restarted, web comes back",
        *said.splitlines(),
    ]


@pytest.mark.parametrize(
    ("found", "said"), [(progressing("a"), "1 workload restarted so far"), (Cluster(), "not started")]
)
def test_a_restart_that_takes_longer(ctl: Run, server: FakeServer, found: Cluster, said: str) -> None:
    """After the timeout the restart continues, and the output says that."""
    server.answer("RestartWorkloads", pb.RestartWorkloadsResponse(change=CHANGE, restart_id="1"))
    server.answer("GetCluster", found)
    done = ctl("cluster", "restart", "c0", "--wait", "--timeout", "1ms")
    assert done.code == 3
    assert said in done.err
