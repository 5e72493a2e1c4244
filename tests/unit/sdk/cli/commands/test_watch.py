"""egressctl changes watch and revert."""

import json

from egress import ClusterRollout, WatchChangesResponse
from egress.v1.change_service_pb2 import RevertChangeRequest, RevertChangeResponse, WatchChangesRequest
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, POLICY
from tests.unit.sdk.fake_server import FakeServer
from tests.unit.sdk.statuses import status

CHANGED = WatchChangesResponse(cursor="a", change=CHANGE)
ROLLOUT = ClusterRollout(
    cluster="meshes/default/clusters/local",
    state=ClusterRollout.FAILED,
    applied_revision=16,
    error=ClusterRollout.Error(reason="WHY", message="it is so"),
)
ROLLED = WatchChangesResponse(cursor="b", rollout=ROLLOUT)


def test_watch(ctl: Run, server: FakeServer) -> None:
    """An event is a line with what, by whom and why."""
    server.stream("WatchChanges", [CHANGED, ROLLED])
    done = ctl("changes", "watch", "--cursor", "0", "--rollouts", "--limit", "2")
    assert done.code == 0
    first, second = done.out.splitlines()
    assert first == f"2023-11-14 22:13:20Z  change 17 SET {POLICY.name} by ada: because [of] it"
    assert second.strip() == "local FAILED 16: it is so (WHY)"
    assert server.sent("WatchChanges") == [
        WatchChangesRequest(parent="meshes/default", cursor="0", include_rollouts=True)
    ]


def test_watch_json(ctl: Run, server: FakeServer) -> None:
    """-o json prints one object per line, with the cursor to continue after it."""
    server.stream("WatchChanges", [CHANGED, WatchChangesResponse(cursor="x"), ROLLED])
    lines = ctl("changes", "watch", "--limit", "2", "-o", "json").out.splitlines()
    assert [json.loads(line)["cursor"] for line in lines] == ["a", "b"]


def test_watch_yaml(ctl: Run, server: FakeServer) -> None:
    """-o yaml prints one document per event."""
    server.stream("WatchChanges", [CHANGED])
    assert ctl("changes", "watch", "--limit", "1", "-o", "yaml").out.startswith("---\ncursor: a\n")


def test_an_old_cursor(ctl: Run, server: FakeServer) -> None:
    """A cursor that is too old exits with status 1 and an error."""
    server.stream("WatchChanges", [status(11, "CURSOR_EXPIRED", "list the changes")])
    done = ctl("changes", "watch", "--cursor", "0")
    assert done.code == 1
    assert "list the changes (CURSOR_EXPIRED)" in done.err


def test_rollback(ctl: Run, server: FakeServer) -> None:
    """A revert prints what was restored, and by which change."""
    server.answer("RevertChange", RevertChangeResponse(resource=POLICY.name, change=CHANGE))
    done = ctl("changes", "revert", "16", "--reason", "why", "--request-id", "r")
    assert done.out == f"{POLICY.name} restored to its state before change 16 (change 17)\n"
    assert server.sent("RevertChange") == [
        RevertChangeRequest(name="meshes/default/changes/16", reason="why", request_id="r")
    ]
