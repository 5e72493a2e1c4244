"""kill -9 of every process during writes: acknowledged writes are kept, and everything that should run does so
again."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.integration.app.requests import MESH, entry, head, ok
from tests.integration.app.transports import Answer, GrpcTransport, Json, RestTransport, Transport
from tests.support.egressd import Egressd, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("app-crashes")

WRITERS = 4
AWAY = {4, 14}
"""DEADLINE_EXCEEDED and UNAVAILABLE: the outcome is unknown, so the same request is sent again."""


@dataclass(slots=True)
class Run:
    """The replies of a run of writes, by request ID."""

    acknowledged: dict[str, Json] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self, writer: int, transport: Transport) -> None:
        """Writes until stopped, to each of its three entries in turn."""
        number = 0
        while not self.over.is_set():
            number += 1
            id_ = f"writer-{writer}-{number % 3}"
            hosts = [f"{id_}.example.com", f"n{number}.{id_}.example.com"]
            request = {**entry(id_, hosts=hosts), "requestId": f"{writer}.{number}"}
            self.acknowledged[request["requestId"]] = _insist(transport, request)

    def wait_for_more(self) -> None:
        """Returns after some more writes were acknowledged."""
        known = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) > known + 20, "more acknowledged writes")


def _insist(transport: Transport, request: Json) -> Json:
    def answer() -> Answer | None:
        found = transport.call("UpsertServiceEntry", request)
        return None if found.code in AWAY else found

    found = eventually(answer, f"an answer to {request}", poll=0.05, ignoring=httpx.TransportError)
    assert found is not None
    return ok(found)


@contextmanager
def writing(egressd: Egressd) -> Iterator[Run]:
    """Several writers over both transports while it is entered; at the end every write is acknowledged."""
    run = Run()
    with ThreadPoolExecutor(WRITERS) as threads:
        transports: list[Transport] = [
            GrpcTransport(egressd.grpc) if i % 2 else RestTransport(egressd.url) for i in range(WRITERS)
        ]
        futures: list[Future[None]] = [
            threads.submit(run.write, i, transport) for i, transport in enumerate(transports)
        ]
        try:
            run.wait_for_more()
            yield run
            run.wait_for_more()
        finally:
            run.over.set()
        for future in futures:
            future.result()


def kill_child(egressd: Egressd, name: str) -> None:
    """Kills a child process and returns when another one has replaced it."""
    eventually(lambda: bool(egressd.children(name)), f"a {name}")
    (old,) = egressd.children(name)
    old.kill()
    eventually(lambda: [c.pid for c in egressd.children(name)] not in ([], [old.pid]), f"another {name}")


def check_nothing_is_missing(transport: Transport, run: Run) -> None:
    """Every acknowledged write has exactly one change, without gaps, and each entry has its last state."""
    changes = {int(change["revision"]): change for change in _all_changes(transport)}
    assert sorted(changes) == list(range(1, head(transport) + 1))
    last: dict[str, Json] = {}
    for request_id, reply in run.acknowledged.items():
        change = changes[int(reply["change"]["revision"])]
        assert (change["requestId"], change["resource"]) == (request_id, reply["serviceEntry"]["name"])
        known = last.setdefault(change["resource"], reply)
        if int(known["change"]["revision"]) < int(change["revision"]):
            last[change["resource"]] = reply
    ids = [change["requestId"] for change in changes.values() if "requestId" in change]
    assert len(ids) == len(set(ids))
    for name, reply in last.items():
        assert ok(transport.call("GetServiceEntry", {"name": name})) == reply["serviceEntry"]


def _all_changes(transport: Transport) -> Iterator[Json]:
    token = ""
    while True:
        page = ok(transport.call("ListChanges", {"parent": MESH, "pageSize": 1000, "pageToken": token}))
        yield from page["changes"]
        if not (token := page.get("nextPageToken", "")):
            return


def check_it_converges(transport: Transport) -> None:
    """A new change is applied and verified by probes on the cluster."""
    request = {"parent": MESH, "outboundPolicy": {"mode": "REGISTRY_ONLY"}}
    name = ok(transport.call("SetOutboundPolicy", request))["change"]["name"]
    waited = ok(transport.call("WaitChange", {"name": name, "until": "VERIFIED", "timeout": "25s"}))
    assert waited.get("reached"), waited


def test_kill_nine(home: Path, outside: list[str]) -> None:
    """The store and Envoy are restarted automatically, egressd by running its command again, and nothing is missing."""
    with running(home, clusters=["one"], resolve=outside) as egressd:
        transport = GrpcTransport(egressd.grpc)
        with writing(egressd) as run:
            for name in ("valkey-server", "envoy", "valkey-server"):
                kill_child(egressd, name)
                run.wait_for_more()
            for _ in range(2):
                egressd.kill()
                eventually(lambda: egressd.leftovers() == [], f"children to die with egressd: {egressd.leftovers()}")
                egressd.start()
                run.wait_for_more()
        check_it_converges(transport)
        check_nothing_is_missing(transport, run)
        assert len(egressd.leftovers()) == len(egressd.children("valkey-server") + egressd.children("envoy")) == 2
        assert egressd.stop() == 0
    eventually(lambda: egressd.leftovers() == [], f"{egressd.leftovers()} to end")


def test_killed_in_the_middle_of_its_start(home: Path) -> None:
    """However early egressd is killed, the same command starts it again, and no process is left over."""
    egressd = Egressd(home, clusters=["one"])
    try:
        for delay in (0.4, 0.9, 1.2, 1.5):
            egressd.launch()
            time.sleep(delay)
            egressd.kill()
            eventually(lambda: egressd.leftovers() == [], f"{egressd.leftovers()} to end")
        egressd.start()
        assert head(GrpcTransport(egressd.grpc)) == 2
    finally:
        assert egressd.stop() == 0
