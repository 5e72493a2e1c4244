"""WatchChanges on a whole egressd: nothing is missed across kills, by gRPC and by server-sent events."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import grpc
import pytest

from egress.v1 import change_service_pb2 as pb
from egress.v1 import egress_service_pb2, outbound_policy_pb2
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import eventually

MESH = "meshes/default"
MODES = (outbound_policy_pb2.OutboundPolicy.ALLOW_ANY, outbound_policy_pb2.OutboundPolicy.REGISTRY_ONLY)

pytestmark = pytest.mark.xdist_group("watch")


def change(daemon: Daemon, number: int) -> int:
    """One more change; its revision."""
    policy = outbound_policy_pb2.OutboundPolicy(mode=MODES[number % 2])
    request = egress_service_pb2.SetOutboundPolicyRequest(parent=MESH, outbound_policy=policy)
    return int(daemon.egress.SetOutboundPolicy(request, wait_for_ready=True, timeout=30).change.revision)


class Follower:
    """Collects revisions in the background; resumes by its cursor whenever the stream breaks."""

    def __init__(self, daemon: Daemon) -> None:
        self.revisions: list[int] = []
        self.cursor = ""
        self._daemon = daemon
        self._stop = threading.Event()
        self._call: grpc.Call | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.is_set():
            request = pb.WatchChangesRequest(parent=MESH, cursor=self.cursor)
            self._call = self._daemon.changes.WatchChanges(request, wait_for_ready=True)
            try:
                for event in self._call:
                    self.cursor = event.cursor
                    if event.HasField("change"):
                        self.revisions.append(int(event.change.revision))
            except grpc.RpcError:
                continue


def test_nothing_is_missed(tmp_path: Path) -> None:
    """Across kills and a clean restart a watcher sees every change once, in order."""
    with running_daemon(tmp_path) as daemon:
        follower = Follower(daemon)
        eventually(lambda: follower.cursor != "")
        made: list[int] = []
        for number in range(60):
            made.append(change(daemon, number))
            if number in {15, 30}:
                daemon.kill()
                daemon.start()
            if number == 45:
                daemon.stop()
                daemon.start()
        eventually(lambda: len(follower.revisions) >= len(made))
        follower.stop()
        assert follower.revisions == made


def test_ends_at_drain(tmp_path: Path) -> None:
    """A server that stops ends its streams, without an error, instead of waiting for them."""
    with running_daemon(tmp_path) as daemon:
        call = daemon.changes.WatchChanges(pb.WatchChangesRequest(parent=MESH))
        next(call)
        with opened(daemon, "") as events:
            next(events)
            daemon.stop()
            assert list(events) == []
        assert list(call) == []
        assert call.code() is grpc.StatusCode.OK


def test_rollouts(tmp_path: Path) -> None:
    """If rollouts are requested, the progress of a cluster can be followed."""
    with running_daemon(tmp_path, "--local-cluster", "local") as daemon:
        call = daemon.changes.WatchChanges(pb.WatchChangesRequest(parent=MESH, include_rollouts=True))
        next(call)
        revision = change(daemon, 1)
        seen = (event.rollout for event in call if event.HasField("rollout"))
        rollout = next(each for each in seen if each.applied_revision >= revision)
        assert rollout.cluster == f"{MESH}/clusters/local"
        call.cancel()


@contextmanager
def opened(daemon: Daemon, query: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """The events of the stream by REST, as fields."""
    request = urllib.request.Request(f"http://{daemon.http}/v1/{MESH}/changes:watch?{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield parsed(response)


def parsed(response: HTTPResponse) -> Iterator[dict[str, str]]:
    """Blocks of `name: value` lines; a comment has an empty name."""
    block: dict[str, str] = {}
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            block[name] = value
        elif block:
            yield block
            block = {}


def test_events_resume(tmp_path: Path) -> None:
    """Server-sent events are resumed by Last-Event-ID, also after a restart, and it takes precedence over the cursor in
    the URL."""
    with running_daemon(tmp_path) as daemon:
        with opened(daemon, "") as events:
            first = next(events)
            assert "data" not in first
            made = [change(daemon, number) for number in range(3)]
            seen = next(events)
        data = json.loads(seen["data"])
        assert (int(data["change"]["revision"]), data["cursor"]) == (made[0], seen["id"])
        daemon.kill()
        daemon.start()
        with opened(daemon, f"cursor={first['id']}", **{"Last-Event-ID": seen["id"]}) as events:
            next(events)
            rest = [json.loads(next(events)["data"])["change"]["revision"] for _ in made[1:]]
        assert [int(revision) for revision in rest] == made[1:]


def test_a_refusal_is_a_status(tmp_path: Path) -> None:
    """An invalid request is refused as usual, before any event."""
    with running_daemon(tmp_path) as daemon:
        for cursor, code, reason in (("nonsense", 3, "INVALID_FIELD"), ("b3RoZXI6MTow", 11, "CURSOR_EXPIRED")):
            with pytest.raises(urllib.error.HTTPError) as refused, opened(daemon, f"cursor={cursor}"):
                pass
            status = json.load(refused.value)
            assert (refused.value.code, status["code"], status["details"][0]["reason"]) == (400, code, reason)
            refused.value.close()
