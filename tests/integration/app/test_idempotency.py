"""Calls with one request ID make one change: immediately, after a restart, and after a lost reply."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.app.requests import entry, head, ok, policy
from tests.integration.app.transports import Answer, GrpcTransport, Json, RestTransport, Transport
from tests.support.egressd import Egressd, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("app-idempotency")


@pytest.fixture(scope="module")
def egressd() -> Iterator[Egressd]:
    """An egressd without a cluster, to be killed."""
    with tempfile.TemporaryDirectory(prefix="egressd-") as folder, running(Path(folder)) as started:
        yield started


@pytest.mark.parametrize(("rpc", "kind", "delete"), [
    ("UpsertServiceEntry", "serviceEntry", "DeleteServiceEntry"),
    ("SetOutboundPolicy", "outboundPolicy", "DeleteOutboundPolicy"),
])  # fmt: skip
def test_twice_is_once(by_grpc: GrpcTransport, by_rest: RestTransport, rpc: str, kind: str, delete: str) -> None:
    """The second call, over the same or the other transport, gets the first reply again."""
    request = {**(entry() if "Entry" in rpc else policy()), "requestId": f"twice-{rpc}"}
    made = ok(by_grpc.call(rpc, request))
    assert ok(by_grpc.call(rpc, request)) == made
    assert ok(by_rest.call(rpc, request)) == made
    unnamed = {key: value for key, value in request.items() if key != "requestId"}
    assert ok(by_rest.call(rpc, unnamed, **{"idempotency-key": f"twice-{rpc}"})) == made
    assert head(by_grpc) == int(made["change"]["revision"])
    gone = {"name": made[kind]["name"], "requestId": f"gone-{rpc}"}
    deleted = ok(by_rest.call(delete, gone))
    assert ok(by_grpc.call(delete, gone)) == deleted
    assert head(by_grpc) == int(deleted["change"]["revision"])


def test_another_body_is_refused(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """The same ID for another request is refused over both transports, whatever differs."""
    request = {**entry("reused"), "requestId": "reused"}
    made = ok(by_grpc.call("UpsertServiceEntry", request))
    others: list[Json] = [
        {**request, "reason": "another"},
        {**entry("other"), "requestId": "reused"},
        {**request, "etag": made["serviceEntry"]["etag"]},
        {**entry("reused", hosts=["b.example.com"]), "requestId": "reused"},
    ]
    for other in others:
        answers = by_grpc.call("UpsertServiceEntry", other), by_rest.call("UpsertServiceEntry", other)
        assert [(answer.code, answer.reason) for answer in answers] == [(10, "REQUEST_ID_REUSED")] * 2, str(answers[0])
        assert answers[0].body == answers[1].body
    assert head(by_grpc) == int(made["change"]["revision"])


def test_replay_comes_before_refusal(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """A retry meets the state that its own first call made, and is not refused because of it."""
    made = ok(by_grpc.call("UpsertServiceEntry", {**entry("before"), "createOnly": True, "requestId": "b-1"}))
    again = ok(by_rest.call("UpsertServiceEntry", {**entry("before"), "createOnly": True, "requestId": "b-1"}))
    assert again == made
    update = {**entry("before"), "etag": made["serviceEntry"]["etag"], "reason": "next", "requestId": "b-2"}
    updated = ok(by_grpc.call("UpsertServiceEntry", update))
    assert ok(by_rest.call("UpsertServiceEntry", update)) == updated
    gone = {"name": made["serviceEntry"]["name"], "etag": updated["serviceEntry"]["etag"], "requestId": "b-3"}
    deleted = ok(by_grpc.call("DeleteServiceEntry", gone))
    assert ok(by_rest.call("DeleteServiceEntry", gone)) == deleted
    assert ok(by_grpc.call("UpsertServiceEntry", update)) == updated, "even now that the entry is gone"


def test_at_once_from_many(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """One request ID over both transports at the same time is one change."""
    request = {**entry("at-once"), "requestId": "at-once"}
    before = head(by_grpc)
    transports: list[Transport] = [by_grpc, by_rest] * 8
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda transport: ok(transport.call("UpsertServiceEntry", request)), transports))
    assert all(reply == replies[0] for reply in replies)
    assert head(by_grpc) == before + 1


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_after_a_restart(egressd: Egressd, by_grpc: GrpcTransport, how: str) -> None:
    """The store remembers a request ID, not the process."""
    request = {**entry(f"restart-{how}"), "requestId": f"restart-{how}"}
    made = ok(by_grpc.call("UpsertServiceEntry", request))
    getattr(egressd, how)()
    egressd.start()
    assert ok(by_grpc.call("UpsertServiceEntry", request)) == made
    assert head(by_grpc) == int(made["change"]["revision"])


def test_after_a_lost_reply(egressd: Egressd, by_grpc: GrpcTransport) -> None:
    """The store is killed again and again between commits and replies; a request ID still is one change."""
    before = head(by_grpc)

    def insist(number: int) -> Json:
        if number % 40 == 10:  # the other threads have requests under way
            for server in egressd.children("valkey-server"):
                server.kill()
        return _insist(by_grpc, number)

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(insist, range(200)))
    revisions = sorted(int(reply["change"]["revision"]) for reply in made)
    assert revisions == list(range(before + 1, before + 201))
    for number, reply in enumerate(made):
        assert _insist(by_grpc, number) == reply


def _insist(transport: Transport, number: int) -> Json:
    """Sends one request until it is answered, as a client with a request ID does."""
    request = {**entry(f"lost-{number}"), "requestId": f"lost-{number}"}

    def answer() -> Answer | None:
        found = transport.call("UpsertServiceEntry", request)
        return None if found.code in {4, 14} else found

    found = eventually(answer, poll=0.05)
    assert found is not None
    return ok(found)
